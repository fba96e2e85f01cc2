/* Linked into the static program by release.sh.
 *
 * glibc looks up hosts and users with the modules that /etc/nsswitch.conf names (`resolve`, `mdns4`, `myhostname`,
 * `sss`). A static program loads them all the same, with the libc that they were built for. If that is another version,
 * the process ends with a failed assertion: on Debian 11 as soon as a host is looked up. So the program uses what is
 * part of itself: /etc/hosts and DNS, /etc/passwd and /etc/group. */
#include <nss.h>

__attribute__((constructor)) static void look_up_without_modules(void) {
  __nss_configure_lookup("hosts", "files dns");
  __nss_configure_lookup("passwd", "files");
  __nss_configure_lookup("group", "files");
}
