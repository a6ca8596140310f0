# Behind own_server.sh: start a server with a configuration that is to be used, and see whether it answers. Certificates are
# read. conf, acl: base64.
if start_own "$(readable conf "$conf")" --tls-port 0 --tls-replication yes --unixsocketperm 700 \
  --aclfile "$(readable acl "$acl")" --logfile "" --pidfile pid --daemonize no --supervised no --save "" --appendonly no; then
  exit 0
fi
said | grep -v -e 'oO0OoO0OoO0Oo' -e 'Configuration loaded' -e 'version=' | tail -n 5
exit 1
