"""ACL users: profiles, rules, validation, and comparison by meaning."""
