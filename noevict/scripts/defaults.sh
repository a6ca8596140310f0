# Behind throwaway_server.sh: a release's own defaults: CONFIG GET * of a fresh server, name and value on a line each.
start_own
ask 20 config get '*'
