//! What sync clients put into a folder beside the files: marks of their own, and files that they have not finished.

/// The client that a folder with an entry of this name belongs to, by what that client puts into it; `None` if the name
/// is no such mark. Sources: the clients' own ignore lists, and the folders that public reports show.
#[must_use]
pub fn client_of_mark(name: &str) -> Option<&'static str> {
    Some(match name {
        ".stfolder" | ".stversions" | ".stignore" => "Syncthing",
        ".dropbox" | ".dropbox.cache" => "Dropbox",
        ".tmp.drivedownload" | ".tmp.driveupload" => "Google Drive",
        ".git" => "git",
        ".sync" => "Resilio Sync",
        ".SynologyWorkingDirectory" => "Synology Drive",
        ".seafile-data" => "Seafile",
        ".owncloudsync.log" | ".nextcloudsync.log" => "Nextcloud",
        ".849C9593-D756-4E56-8D6E-42412F2A707B" => "OneDrive",
        _ if name.starts_with(".sync_") && name.ends_with(".db") => "Nextcloud",
        _ if name.starts_with("._sync_") && name.ends_with(".db") => "Nextcloud",
        _ => return None,
    })
}

/// The client or program whose unfinished file has this name; `None` if nobody known names unfinished files so.
///
/// Such a file lies beside its target while the target is written. One that stays was left by a crash, and some clients
/// copy it to the others.
#[must_use]
pub fn unfinished(name: &str) -> Option<&'static str> {
    let hex = |text: &str, len: usize| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let before = |suffix: &str| name.strip_suffix(suffix).filter(|rest| !rest.is_empty());
    if (name.starts_with(".syncthing.") || name.starts_with("~syncthing~")) && name.ends_with(".tmp") {
        return Some("Syncthing");
    }
    if name.starts_with(".unison.") && name.ends_with(".unison.tmp") {
        return Some("Unison");
    }
    // NAME.HASH8.partial: rclone's `operations/copy.go`, and measured.
    if before(".partial").and_then(|rest| rest.rsplit_once('.')).is_some_and(|(_, hash)| hex(hash, 8)) {
        return Some("rclone");
    }
    // .NAME.~HEX: Nextcloud's and ownCloud's `propagatedownload.cpp`.
    if name.starts_with('.')
        && name.rsplit_once(".~").is_some_and(|(_, random)| hex(random, random.len().clamp(4, 8)))
    {
        return Some("Nextcloud");
    }
    // NAME~RFxxxxxx.TMP: what Windows makes of a replaced file.
    if before(".TMP")
        .and_then(|rest| rest.rsplit_once("~RF"))
        .is_some_and(|(_, hash)| hash.len() >= 4 && hex(hash, hash.len()))
    {
        return Some("OneDrive");
    }
    if before(".!sync").is_some() || before(".!Sync").is_some() || before(".bts").is_some() {
        return Some("Resilio Sync");
    }
    if name.starts_with(".replacing-") && name.ends_with(".tmp") {
        return Some("cloudchamber");
    }
    if name.starts_with(".goutputstream-") {
        return Some("a program of GNOME");
    }
    None
}

/// Whether a system puts files of this name into every folder, and nobody needs them: they are passed over.
#[must_use]
pub fn is_litter(name: &str) -> bool {
    matches!(
        name,
        ".DS_Store" | "Thumbs.db" | "desktop.ini" | "Desktop.ini" | "Icon\r" | ".directory" | ".localized"
    ) || name.starts_with("._")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_unfinished_files_are_told_from_files() {
        for (name, client) in [
            (".syncthing.a.json.tmp", "Syncthing"),
            ("~syncthing~a.json.tmp", "Syncthing"),
            (".unison.a.json.0123456789abcdef0123456789abcdef.unison.tmp", "Unison"),
            ("a.json.1a2b3c4d.partial", "rclone"),
            (".a.json.~1a2b3c4d", "Nextcloud"),
            ("a~RF12ab34.TMP", "OneDrive"),
            ("a.json.!sync", "Resilio Sync"),
            (".replacing-77-3.tmp", "cloudchamber"),
        ] {
            assert_eq!(unfinished(name), Some(client), "{name}");
        }
        for name in ["a.partial", "a.tmp", ".partial", "a.json", ".a.~", "a~.TMP", "~RF.TMP", "", ".~lock"] {
            assert_eq!(unfinished(name), None, "{name}");
        }
        for (name, client) in [
            (".stfolder", "Syncthing"),
            (".git", "git"),
            (".sync_0123456789ab.db", "Nextcloud"),
            (".dropbox.cache", "Dropbox"),
        ] {
            assert_eq!(client_of_mark(name), Some(client), "{name}");
        }
        assert_eq!(client_of_mark("sync.db"), None);
        assert!(is_litter(".DS_Store") && is_litter("._a.json") && !is_litter(".hidden"));
    }
}
