# Starts programs in the file system of an image. slimbuild runs it as root of new namespaces, in a directory of its own and with only its own
# variables:
#
#   sh -c THIS sh LAYERS USER GROUP WHAT WRITABLE...
#
# LAYERS are directories here, `0:1:2`, the highest first. They are mounted on top of each other and are read-only, except /tmp and the WRITABLE
# paths. `enter` is slimbuild itself: it mounts them, and then it leaves this machine's files and becomes the program in `program.json`. WHAT is `only` for this program
# alone, or `tried` for the same with a network; then `enter` prints `ready`. Otherwise the program gets a network too, and this script prints `ready`
# when everything is in place and `ended CODE` when the program ends. With `asked`, `probe.json` has another program that asks the first one; this
# script prints `up` or `failed CODE` when that one ends.
layers=$1 user=$2 group=$3 what=$4
shift 4
./enter __mount -- "$layers" "$@" || exit 1
start() {
  exec unshare --user --map-user="$user" --map-group="$group" --mount --keep-caps -- ./enter __enter "$1"
}
[ "$what" = only ] && start program.json
ip link set lo up && ip address add 192.0.2.2/32 dev lo || exit 1
# As in a Docker container.
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
[ "$what" = tried ] && start program.json
echo ready
{
  (start program.json) > log 2>&1
  echo "ended $?"
} &
if [ "$what" = asked ]; then
  {
    (start probe.json) > said 2>&1
    code=$?
    if [ "$code" = 0 ]; then echo up; else echo "failed $code"; fi
  } &
fi
# The process that waits for the answer ends all of this. If it dies, its end of this pipe closes.
read -r _
kill -KILL -1
