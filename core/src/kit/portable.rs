//! Names that every file system and every provider can carry.

/// Why some system cannot have a file or directory of this name; None if every one can.
///
/// Windows keeps the names of devices for itself, with any extension, and drops dots and spaces at the end
/// (learn.microsoft.com, "Naming Files, Paths, and Namespaces"); OneDrive refuses the same names
/// (support.microsoft.com, "Restrictions and limitations in OneDrive and SharePoint"). A name that begins with `-` is an
/// option to other tools. eCryptfs and encrypted shares of Synology take 143 bytes, of which a client's temporary name
/// needs some.
#[must_use]
pub fn unportable(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Some("it is empty, or stands for a directory");
    }
    if name.len() > NAME_MAX {
        return Some(
            "it has over 128 bytes, and encrypted disks and the temporary names of clients have no room for that",
        );
    }
    if name.starts_with('-') {
        return Some("it begins with `-`, and is an option to other tools");
    }
    if name.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a space, which Windows drops");
    }
    if name.chars().any(|c| c.is_control() || r#"<>:"/\|?*"#.contains(c)) {
        return Some("it has a character that Windows and OneDrive refuse");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |device| {
        let digit = stem
            .strip_prefix(device)
            .and_then(|rest| rest.chars().next().filter(|c| c.len_utf8() == rest.len()));
        digit.is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c))
    };
    if matches!(&*stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered("com")
        || numbered("lpt")
    {
        return Some("it is the name of a device, and a folder with it never reaches Windows or OneDrive");
    }
    None
}

/// The longest name that is written, in bytes.
pub const NAME_MAX: usize = 128;

/// Who does not carry a file or directory, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Refusal {
    /// The systems or providers.
    pub by: &'static str,
    /// Why, as the end of a sentence about the name.
    pub why: &'static str,
}

/// Everybody who is known not to carry a name that a person gave: their client skips it, changes it or stops.
///
/// This is about what may be in a folder already; what a program of ours names is held to [`unportable`]. Sources, beside
/// those there: OneDrive's leading spaces, `~$`, `.lock` and `_vti_` (support.microsoft.com, as above); iCloud's
/// `.nosync` and `.tmp` (eclecticlight.co, "What gets synced in iCloud Drive").
#[must_use]
pub fn refusals(name: &str) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut note = |by, why| found.push(Refusal { by, why });
    let folded = name.to_lowercase();
    let is_device = |name: &str| unportable(name).is_some_and(|why| why.contains("device"));
    if name.chars().any(|c| c.is_control() || r#"<>:"\|?*"#.contains(c)) {
        note("Windows and OneDrive", "it has a character that they refuse");
    } else if name.ends_with(['.', ' ']) {
        note("Windows and OneDrive", "it ends with a dot or a space, which they drop");
    } else if is_device(name) {
        note("Windows and OneDrive", "it is the name of a device there");
    }
    if name.starts_with(' ') || name.starts_with("~$") || folded == ".lock" || folded.contains("_vti_") {
        note("OneDrive", "it begins with a space or `~$`, is `.lock`, or has `_vti_` in it");
    }
    if folded.ends_with(".tmp") || folded.ends_with(".nosync") {
        note("iCloud Drive", "it takes the name for that of a file which is not to be synced");
    }
    if name.len() > ENCRYPTED_MAX {
        note("encrypted disks, such as eCryptfs and Synology's", "it has over 143 bytes");
    }
    found
}

/// The longest name, in bytes, that disks take which encrypt names.
const ENCRYPTED_MAX: usize = 143;

/// The longest path that OneDrive takes, in characters below its own folder
/// (support.microsoft.com, "Restrictions and limitations in OneDrive and SharePoint").
pub const ONEDRIVE_PATH_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_a_name_is_told() {
        for (name, by) in [
            ("a:b.txt", "Windows and OneDrive"),
            ("what?.md", "Windows and OneDrive"),
            ("ends.", "Windows and OneDrive"),
            ("aux.c", "Windows and OneDrive"),
            (" a.txt", "OneDrive"),
            ("~$report.docx", "OneDrive"),
            ("a.tmp", "iCloud Drive"),
            ("build.nosync", "iCloud Drive"),
        ] {
            let found = refusals(name);
            assert_eq!(found.first().map(|refusal| refusal.by), Some(by), "{name}: {found:?}");
        }
        assert_eq!(refusals(&"x".repeat(144)).len(), 1);
        for name in ["a.txt", "-a", "Ann's report (1).pdf", ".hidden", "комп", &"x".repeat(143)] {
            assert_eq!(refusals(name), [], "{name}");
        }
    }

    #[test]
    fn names_that_some_system_refuses_are_told_from_others() {
        for name in [
            "con",
            "CON",
            "nul.json",
            "aux.tar.gz",
            "com1",
            "lpt9.txt",
            "com¹",
            "-",
            "--",
            "-x",
            "a.",
            "a ",
            "a:b",
            "a/b",
            "",
            ".",
            "..",
            "a\u{7}",
            "prn .txt",
        ] {
            assert!(unportable(name).is_some(), "{name}");
        }
        for name in
            ["console", "com", "com10", "lptx", "laptop", "a-b", ".hidden", "nulls", "комп", "company1"]
        {
            assert_eq!(unportable(name), None, "{name}");
        }
        assert!(
            unportable(&"x".repeat(NAME_MAX)).is_none() && unportable(&"x".repeat(NAME_MAX + 1)).is_some()
        );
    }
}
