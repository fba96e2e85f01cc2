//! Mounts an image's layers, and what every container has besides them. slimbuild runs this in new
//! namespaces, as `templates/namespace.sh` asks for it: a program for each mount would take longer
//! than the app's start.
//!
//! Input: the layers and the paths that may be written to, as names in the working directory. Output:
//! the image in `root`.

use std::fmt::Display;
use std::io;
use std::path::Path;

use super::error::NativeError;

/// Mounts the layers, the highest first, and the rest. Each of `writable` gets a copy that may be
/// written to. The names are relative to the directory.
pub fn mount(directory: &Path, layers: &str, writable: &[String]) -> Result<(), NativeError> {
    let mounted = mount_all(directory, layers, writable);
    mounted.map_err(|(what, error)| {
        NativeError::Enter(io::Error::new(
            error.kind(),
            format!("cannot mount {what}: {error}"),
        ))
    })
}

/// What failed, and why.
type Failed = (String, io::Error);

fn failed<E: Into<io::Error>>(what: impl Display) -> impl FnOnce(E) -> Failed {
    move |error| (what.to_string(), error.into())
}

#[cfg(target_os = "linux")]
fn mount_all(directory: &Path, layers: &str, writable: &[String]) -> Result<(), Failed> {
    use std::ffi::CString;

    use fs_err::os::unix::fs::symlink;
    use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

    let (root, at) = (directory.join("root"), |path: &str| {
        directory.join("root").join(path)
    });
    let none = MountFlags::empty();
    let still = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let filled = |source: &str, target: &Path, kind: &str, flags: MountFlags, options: &str| {
        let options =
            CString::new(options).map_err(|error| failed(kind)(io::Error::from(error)))?;
        mount(source, target, kind, flags, &*options).map_err(failed(kind))
    };

    // Paths in options are relative to the working directory.
    rustix::process::chdir(directory).map_err(failed("the layers"))?;
    let lower = format!("lowerdir={layers}");
    filled("slimbuild", &root, "overlay", MountFlags::RDONLY, &lower)?;
    filled("proc", &at("proc"), "proc", none, "")?;
    // The host's root may write to these from any namespace. Here they are read-only.
    for shown in ["bus", "fs", "irq", "sys", "sysrq-trigger"] {
        let shown = at("proc").join(shown);
        if !shown.exists() {
            continue;
        }
        mount_bind(&shown, &shown).map_err(failed(shown.display()))?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | still;
        mount_remount(&shown, flags, "").map_err(failed(shown.display()))?;
    }

    // Only the devices that every container has.
    let dev = at("dev");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    filled("dev", &dev, "tmpfs", flags, "mode=755,size=1m")?;
    for device in ["null", "zero", "full", "random", "urandom"] {
        let (from, to) = (Path::new("/dev").join(device), dev.join(device));
        fs_err::write(&to, "").map_err(failed(device))?;
        mount_bind(&from, &to).map_err(failed(device))?;
    }
    for (to, name) in [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        symlink(to, dev.join(name)).map_err(failed(name))?;
    }
    fs_err::create_dir(dev.join("shm")).map_err(failed("shm"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    filled("shm", &dev.join("shm"), "tmpfs", flags, "mode=1777")?;
    filled("sys", &at("sys"), "tmpfs", MountFlags::RDONLY | still, "")?;
    filled("tmp", &at("tmp"), "tmpfs", flags, "mode=1777")?;

    for (number, path) in writable.iter().enumerate() {
        let place = at(path);
        if !place.is_dir() {
            continue;
        }
        let copy = directory.join(format!("writable{number}"));
        copy_tree(&place, &copy).map_err(failed(path))?;
        mount_bind(&copy, &place).map_err(failed(path))?;
    }
    Ok(())
}

/// Copies a directory with everything that belongs to it.
#[cfg(target_os = "linux")]
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = std::process::Command::new("cp");
    let copied = copy.args(["-a", "--"]).arg(from).arg(to).status()?;
    if copied.success() {
        return Ok(());
    }
    Err(io::Error::other("cp failed"))
}

#[cfg(not(target_os = "linux"))]
fn mount_all(_: &Path, _: &str, _: &[String]) -> Result<(), Failed> {
    Err(failed("an image")(io::Error::from(
        io::ErrorKind::Unsupported,
    )))
}
