//! Whether a path stays within a directory, whatever links it leads through.

use std::fs;
use std::path::Path;

/// Whether a path leads out of a root, through a symbolic link in it or at its end, also where the target is not there.
/// The root itself may be a link.
pub(crate) fn leads_out(root: &Path, real: &Path) -> bool {
    match real.strip_prefix(root) {
        Ok(name) if name.as_os_str().is_empty() => false,
        Ok(name) => !stays(root, name).unwrap_or_else(|| is_below(root, real)),
        Err(_) => true,
    }
}

/// Whether a name below a root leads through links that stay below it, by one call to the system; None if that does not
/// tell.
#[cfg(target_os = "linux")]
fn stays(root: &Path, name: &Path) -> Option<bool> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
    use rustix::io::Errno;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let Ok(root) = open(root, flags | OFlags::DIRECTORY, Mode::empty()) else { return Some(true) };
    match openat2(root, name, flags, Mode::empty(), ResolveFlags::BENEATH) {
        Ok(_) => Some(true),
        // An absolute link may lead back; what is not there may be a link to what is not there; and the call may be missing.
        Err(Errno::XDEV | Errno::NOENT | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
        // Whoever makes the real call gets the real error.
        Err(_) => Some(true),
    }
}

/// As on Linux, where there is no such call.
#[cfg(not(target_os = "linux"))]
fn stays(_: &Path, _: &Path) -> Option<bool> {
    None
}

/// The same by the paths that links lead to.
fn is_below(root: &Path, real: &Path) -> bool {
    let Ok(root) = root.canonicalize() else { return true };
    for there in real.ancestors() {
        if let Ok(target) = there.canonicalize() {
            return target.starts_with(&root);
        }
        // A link to what is not there: writing through it would make that.
        if fs::symlink_metadata(there).is_ok_and(|metadata| metadata.is_symlink()) {
            let target = fs::read_link(there).unwrap_or_default();
            let target = there.parent().unwrap_or(there).join(target);
            let lies = target.parent().and_then(|parent| parent.canonicalize().ok());
            return lies.is_some_and(|lies| lies.starts_with(&root));
        }
    }
    true
}
