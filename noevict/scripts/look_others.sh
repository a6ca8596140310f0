# The part of look_instance.sh that finds other servers of this machine (noevict/platforms/systemd/takeover.py): a function,
# called with the same variables, of which it uses package and unit.
#
# Unit files, drop-ins and init scripts are root's. Of a process only the kernel's data is printed: the process can change
# its arguments, and they may hold a password. No printed text has more than one line or one field.
field() { # text -> text
  text=${1//[^[:print:]]/?}
  text=${text//|/?}
  text=${text:0:200}
}
# The unit by its control group, and whether that is the server's own; a process that it forked counts as its own.
unit_of() { # pid -> group, owner
  local line part pieces
  group='' owner=''
  while IFS= read -r line; do
    case $line in 0::/?*|*:name=systemd:/?*) group=${line#*:*:} ;; esac
  done <"/proc/$1/cgroup"
  IFS=/ read -ra pieces <<<"$group"
  for part in "${pieces[@]}"; do
    [[ $part == *.service || $part == *.scope ]] || continue
    # A unit of a user's service manager.
    [[ $owner == user@*.service && $part != *.scope ]] && owner="$part of $owner" || owner=$part
  done
} 2>/dev/null
# The program and the configuration in the text of a unit or an init script.
starts_server() { # text -> program, file
  local word
  program='' file=''
  while IFS= read -r word; do
    [[ $word =~ (^|/)(redis|valkey)(-stack)?-server$ ]] && program=$word
    [[ $program && $word == /*.conf && $word != *\$* ]] && file=$word && return
  done <<<"${1//[[:space:]\"\'=;]/$'\n'}"
  [[ $program ]]
}
other_server() { # how unit ports directory configuration name
  local each line="server $1"
  shift
  for each; do field "$each"; line+="|$text"; done
  say "$line"
}

look_for_other_servers() {
  local enabled=' '
  for p in "${servers[@]}"; do
    [[ $p == "$pid" ]] && continue
    unit_of "$p"
    if [[ $systemd == yes ]]; then
      [[ "$group/" == *"/$unit/"* && $owner == "$unit" ]] && continue
    else
      # A process that the server forked, to save for example.
      read -r stat <"/proc/$p/stat" && read -r _ parent _ <<<"${stat##*) }"
      [[ $pid && $parent == "$pid" ]] && continue
    fi
    mapfile -d '' -t links < <(exec find "/proc/$p/cwd" "/proc/$p/fd" -maxdepth 1 \( -path '*/cwd' -o -lname 'socket:*' \) -printf '%l\0')
    # noevict's throwaway server, which tests a configuration.
    [[ ${links[0]-} == /run/noevict.* ]] && continue
    ports=''
    while read -r _ local _ _ _ _ _ _ _ inode _; do
      [[ " ${links[*]} " == *" socket:[$inode] "* && ",$ports," != *",$((16#${local##*:})),"* ]] && ports+="${ports:+,}$((16#${local##*:}))"
    done < <(sockets)
    read -r name <"/proc/$p/comm" || continue
    # A process that checks a file is not a server.
    [[ $name == *-check-* && ! $ports ]] && continue
    file=''
    [[ $systemd == yes && $owner =~ ^[A-Za-z0-9@_][A-Za-z0-9@_.:-]*\.service$ ]] &&
      starts_server "$(systemctl show -p ExecStart --value -- "$owner")"
    other_server running "$owner" "$ports" "${links[0]-}" "$file" "$name"
  done 2>/dev/null
  if [[ $systemd == yes ]]; then
    for link in /etc/systemd/system/*.{wants,requires,upholds}/*.service /run/systemd/system/*.{wants,requires}/*.service; do
      name=${link##*/}
      [[ -e $link && $name != "$unit" && $enabled != *" $name "* ]] || continue
      enabled+="$name "
      for path in "/etc/systemd/system/$name" "/run/systemd/system/$name"; do
        [[ $path -ef /dev/null ]] && continue 2
        [[ -e $path ]] && break
        path=$link
      done
      mapfile -t -n 1000 lines <"$path"
      for line in "${lines[@]}"; do
        [[ $line == *-server* && $line =~ ^[[:space:]]*ExecStart[[:space:]]*= ]] || continue
        instance=${name#*@}
        line=${line//%[iI]/${instance%.service}}
        starts_server "${line/=[-@:+!|]*\//=\/}" && other_server enabled "$name" '' '' "$file" "$program" && break
      done
    done
  fi 2>/dev/null
  for link in /etc/rc[2345].d/S[0-9][0-9]*; do
    name=${link##*/S[0-9][0-9]}
    [[ -e $link && $name != "$package" && $enabled != *" $name "* ]] || continue
    enabled+="$name "
    # If a unit has that name, the unit counts.
    for path in /etc /run /usr/local/lib /usr/lib /lib; do
      [[ $systemd == yes && -e $path/systemd/system/$name.service ]] && continue 2
    done
    mapfile -t -n 1000 lines <"$link"
    text=
    for line in "${lines[@]}"; do [[ $line =~ ^[[:space:]]*# ]] || text+="$line"$'\n'; done
    [[ $systemd == no ]] || name+=.service
    [[ $text =~ (redis|valkey)(-stack)?-server ]] && starts_server "$text" && other_server enabled "$name" '' '' "$file" "$program"
  done 2>/dev/null
}
