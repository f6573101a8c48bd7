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

#[cfg(test)]
mod tests {
    use super::*;

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
