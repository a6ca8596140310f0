"""hosts.yml and group_data, read once and with pyinfra's precedence."""
