# Starts programs in the file system of an image, in namespaces that slimbuild made and that this is root of:
#
#   sh -c THIS sh PATH ROOT LOWER SCRATCH USER GROUP DIRECTORY WRITABLE... -- COUNT PROBE... PROGRAM...
#
# The image is its layers on top of each other, and cannot be written to, but for /tmp and the writable paths. COUNT is the number of the probe's
# words, or `only`: then there is nothing but the program, and this becomes it. Says `ready` when all is in place, then `up` when the probe ends
# well, and `failed CODE` and `ended CODE` when it does not and when the program ends. PATH is what this looks for its own tools in.
inside=$PATH PATH=$1 root=$2 scratch=$4 user=$5 group=$6 directory=$7
enter=$(command -v unshare) || exit 1
mount -t overlay -o "ro,lowerdir=$3" slimbuild "$root" || exit 1
mount -t proc proc "$root/proc" || exit 1
for shared in sys dev; do mount --rbind "/$shared" "$root/$shared" || exit 1; done
mount -t tmpfs -o mode=1777 tmp "$root/tmp" || exit 1
# Of its own, as in a container: what a server writes there stays nowhere.
[ ! -d "$root/dev/shm" ] || mount -t tmpfs -o mode=1777 shm "$root/dev/shm" || exit 1
shift 7
number=0
while [ "$1" != -- ]; do
  number=$((number + 1))
  if [ -d "$root/$1" ]; then
    cp -a "$root/$1" "$scratch/$number" && mount --bind "$scratch/$number" "$root/$1" || exit 1
  fi
  shift
done
count=$2
shift 2
start() {
  PATH=$inside
  exec "$enter" --user --map-user="$user" --map-group="$group" --root="$root" --wd="$directory" -- "$@"
}
if [ "$count" = only ]; then
  echo ready
  start "$@"
fi
ip link set lo up && ip address add 192.0.2.2/32 dev lo || exit 1
# As in a container of Docker.
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
echo ready
{
  (shift "$count"; start "$@") > "$scratch/log" 2>&1
  echo "ended $?"
} &
if [ "$count" -gt 0 ]; then
  {
    (
      turned=0
      while [ "$turned" -lt "$count" ]; do
        set -- "$@" "$1"
        shift
        turned=$((turned + 1))
      done
      shift $(($# - count))
      start "$@"
    ) > "$scratch/said" 2>&1
    code=$?
    if [ "$code" = 0 ]; then echo up; else echo "failed $code"; fi
  } &
fi
# Who waits for the answer ends all of this; if it ended itself, so does its end of this pipe.
read -r _
kill -KILL -1
