# Goes after throwaway_server.sh: start a server with a new configuration, and see whether it answers. It reads the
# certificates. conf, acl: base64.
if start_throwaway "$(readable conf "$conf")" --tls-port 0 --tls-replication yes --unixsocketperm 700 \
  --aclfile "$(readable acl "$acl")" --logfile "" --pidfile pid --daemonize no --supervised no --save "" --appendonly no; then
  exit 0
fi
server_output | grep -v -e 'oO0OoO0OoO0Oo' -e 'Configuration loaded' -e 'version=' | tail -n 5
exit 1
