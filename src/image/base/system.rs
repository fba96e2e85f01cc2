//! Files that no package contains: those that Debian's maintainer scripts would create, and users.

use std::sync::Arc;

use super::BaseError;
use super::deb::Entries;
use crate::image::layer::{LayerEntry, LayerNode, Owner};

/// All certificate authorities in one file.
pub(super) const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// The package has one file for each authority.
const AUTHORITIES: &str = "usr/share/ca-certificates/";
/// The user that programs run as.
const NONROOT: Owner = Owner {
    user: 65532,
    group: 65532,
};

const PASSWD: &str = "\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
";
/// The user that runs nginx. It cannot write to any file.
const WEB: &str = "nginx:x:101:101:nginx:/nonexistent:/sbin/nologin\n";
const WEB_GROUP: &str = "nginx:x:101:\n";
const GROUP: &str = "\
root:x:0:
tty:x:5:
staff:x:50:
nonroot:x:65532:
nogroup:x:65534:
";
const NSSWITCH: &str = "\
passwd:         files
group:          files
shadow:         files
hosts:          files dns
networks:       files
protocols:      files
services:       files
ethers:         files
rpc:            files
";

/// Adds these files.
pub(super) fn complete(entries: &mut Entries) -> Result<(), BaseError> {
    // Like `update-ca-certificates`: sorted and concatenated.
    let mut bundle = Vec::new();
    let authorities = entries.range(AUTHORITIES.to_owned()..);
    let authorities = authorities.take_while(|(path, _)| path.starts_with(AUTHORITIES));
    for (_, entry) in authorities.filter(|(path, _)| path.ends_with(".crt")) {
        if let LayerNode::Made { bytes, .. } = &entry.node {
            bundle.extend_from_slice(bytes);
            if !bytes.ends_with(b"\n") {
                bundle.push(b'\n');
            }
        }
    }
    if bundle.is_empty() {
        return Err(BaseError::Read {
            what: "the certificate authorities of `ca-certificates`".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    let mut file = |path: &str, bytes: &[u8]| {
        let bytes = Arc::from(bytes);
        let mode = 0o644;
        entries.insert(
            path.to_owned(),
            LayerEntry::root(LayerNode::Made { bytes, mode }),
        );
    };
    file(CERTIFICATES, &bundle);
    file("etc/passwd", PASSWD.as_bytes());
    file("etc/group", GROUP.as_bytes());
    file("etc/nsswitch.conf", NSSWITCH.as_bytes());
    file("etc/timezone", b"Etc/UTC\n");
    let localtime = LayerNode::Symlink("/usr/share/zoneinfo/Etc/UTC".to_owned());
    entries.insert("etc/localtime".to_owned(), LayerEntry::root(localtime));
    let mut directory = |path: &str, mode: u32, owner: Owner| {
        let node = LayerNode::Directory(mode);
        entries.insert(path.to_owned(), LayerEntry { node, owner });
    };
    directory("home/nonroot", 0o700, NONROOT);
    directory("tmp", 0o1777, Owner::ROOT);
    directory("var/tmp", 0o1777, Owner::ROOT);
    Ok(())
}

/// Adds nginx's user.
pub(super) fn web(entries: &mut Entries) {
    for (path, text) in [
        ("etc/passwd", [PASSWD, WEB].concat()),
        ("etc/group", [GROUP, WEB_GROUP].concat()),
    ] {
        let bytes = Arc::from(text.into_bytes());
        let mode = 0o644;
        entries.insert(
            path.to_owned(),
            LayerEntry::root(LayerNode::Made { bytes, mode }),
        );
    }
}
