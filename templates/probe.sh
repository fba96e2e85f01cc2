# Asks from inside a web server's container whether the server is up: sh -c PROBE probe PORT PATH. It ends when the server is up, and prints until
# then what is still wrong.
said=
while :; do
  if command -v curl >/dev/null; then
    status=$(curl -s -m 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1$2")
  elif command -v bash >/dev/null; then
    status=$(bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$1" >&3 && read -r _ status _ <&3 && echo "$status"' "$1" "$2" 2>/dev/null)
  else
    wget -q -T 5 -O /dev/null "http://127.0.0.1:$1$2" && status=200 || status=
  fi
  case $status in
    '' | 000) line="nothing answers on port $1" ;;
    *) line="GET $2 on port $1 answers $status" ;;
  esac
  [ "$line" = "$said" ] || echo "$line"
  said=$line
  case $status in 2* | 3*) exit 0 ;; esac
  sleep 0.2
done
