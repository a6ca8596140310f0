"""Redis and Valkey: releases, packages, programs, and which release reads which data."""
