# Goes after throwaway_server.sh: print a release's defaults, CONFIG GET * of a new server: names and values, a line each.
start_throwaway
ask 20 config get '*'
