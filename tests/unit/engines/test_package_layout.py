"""The paths of a server on its host: of the package's server, and of a second server beside it."""

from dataclasses import replace

from noevict.companions.exporter import wanted as exporter
from noevict.engines.package_layout import LAYOUTS


def test_a_second_server_on_a_machine_can_keep_its_own() -> None:
    second = replace(LAYOUTS["redis"], previous="/var/lib/noevict/second")
    assert set(second.unverified).isdisjoint(LAYOUTS["redis"].unverified)


def test_the_look_reads_the_exporters_files_where_they_are_written() -> None:
    for layout in LAYOUTS.values():
        assert layout.exporter_etc == exporter.ETC
        assert layout.exporter_credentials == exporter.CREDENTIALS
