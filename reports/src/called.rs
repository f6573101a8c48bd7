//! How a person calls a program again, as far as the program can tell.

use std::path::Path;

/// How a program is called: by cargo if it lies where cargo puts it, or else by its name.
pub(crate) fn here() -> String {
    let exe = std::env::current_exe().unwrap_or_default();
    let first = std::env::args().next().unwrap_or_else(|| "cloudchamber".to_owned());
    let package = std::env::var("CARGO_PKG_NAME").ok();
    call(&exe, package.as_deref()).unwrap_or(first)
}

/// The call of a program by cargo; `None` if cargo did not make it, or its package cannot be told.
fn call(exe: &Path, package: Option<&str>) -> Option<String> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let program = exe.file_stem()?.to_str()?;
    let place = name(exe.parent()?)?;
    let (kind, profile) = match &*place {
        "examples" | "deps" => (&*place, name(exe.parent()?.parent()?)?),
        _ => ("", place.clone()),
    };
    let release = match &*profile {
        "release" => " --release",
        "debug" => "",
        _ => return None,
    };
    Some(match kind {
        "examples" => format!("cargo run{release} --example {} --", without_hash(program)),
        "deps" => format!("cargo run{release} --"),
        _ if package == Some(program) => format!("cargo run{release} --"),
        _ => {
            package?;
            format!("cargo run{release} --bin {program} --")
        }
    })
}

/// A program's name without the hash that cargo appends to those of tests.
fn without_hash(program: &str) -> &str {
    let is_hash = |end: &str| end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    program.rsplit_once('-').filter(|(_, end)| is_hash(end)).map_or(program, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_tests_of_cargo_are_called_by_cargo() {
        let call = |exe: &str, package| call(exe.as_ref(), package);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            call("/w/target/release/examples/lease", None),
            some("cargo run --release --example lease --")
        );
        assert_eq!(
            call("/w/target/debug/examples/lease-0123456789abcdef", Some("x")),
            some("cargo run --example lease --")
        );
        assert_eq!(call("/w/target/debug/deps/lease-0123456789abcdef", Some("lease")), some("cargo run --"));
        assert_eq!(call("/w/target/release/lease", Some("lease")), some("cargo run --release --"));
        assert_eq!(call("/w/target/debug/lease", Some("shop")), some("cargo run --bin lease --"));
        assert_eq!(call("/w/target/debug/lease", None), None);
        assert_eq!(call("/usr/local/bin/lease", Some("lease")), None);
    }
}
