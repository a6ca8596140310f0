"""Redis and Valkey: releases, packages, programs, and which of them reads whose data."""
