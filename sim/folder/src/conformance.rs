//! The cases that any [`FsMut`] passes: the simulated view and a real directory alike.
//!
//! Each case starts from two empty roots. It panics with a sentence where the view is not as the ports'
//! documentation says, so that a test of any view is a loop:
//! ```
//! use cloudchamber_folder::conformance::cases;
//! use cloudchamber_folder::world::LocalView;
//!
//! for case in cases() {
//!     (case.run)(&mut LocalView::default());
//! }
//! ```
//! Whether a directory outlives its last file is left open: a view may list it as empty, or not know it.

use cloudchamber_core::{Content, EntryKind, FsError, FsMut, FsOp, Path};

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// A sentence that is true of a conforming view.
    pub name: &'static str,
    /// Plays the case on a view whose roots are both empty.
    ///
    /// # Panics
    /// Where the view does not conform.
    pub run: fn(&mut dyn FsMut),
}

/// Makes the list from the functions, so that a case's name is its function's.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        &[$(Case { name: stringify!($name), run: $name }),*]
    };
}

/// All cases, in order of their names.
#[must_use]
pub fn cases() -> &'static [Case] {
    cases![
        a_crowd_of_files_is_listed_in_order,
        a_directory_is_made_by_the_file_in_it,
        a_directory_is_not_a_file,
        a_file_is_not_a_directory,
        a_flush_changes_nothing_that_can_be_seen,
        a_missing_directory_is_not_found,
        a_missing_file_is_not_found,
        a_name_that_is_taken_is_not_created_anew,
        a_read_past_the_end_is_empty,
        a_removed_file_is_gone_and_its_name_free,
        a_rename_moves_the_bytes,
        a_rename_onto_itself_changes_nothing,
        a_rename_replaces_what_had_the_name,
        a_rename_stays_within_its_root,
        a_replacement_is_whole,
        an_append_creates_and_extends,
        an_entry_tells_its_length,
        an_overwrite_truncates,
        any_bytes_come_back,
        odd_names_are_names,
        the_roots_are_apart,
        the_roots_are_there_from_the_start,
    ]
}

/// The file of which a placeholder is there before each of [`placeholder_cases`].
pub const ELSEWHERE: &str = "elsewhere.json";

/// The cases of a view that tells a placeholder as the file it stands for. Before each, the roots are empty but for a
/// placeholder of the shared file [`ELSEWHERE`].
#[must_use]
pub fn placeholder_cases() -> &'static [Case] {
    cases![
        a_create_displaces_a_placeholder,
        a_placeholder_is_neither_flushed_moved_nor_removed,
        a_placeholder_is_not_here_yet,
        a_rename_displaces_a_placeholder,
        a_replacement_displaces_a_placeholder,
        an_append_displaces_a_placeholder,
        an_overwrite_displaces_a_placeholder,
    ]
}

fn shared(name: &str) -> Path {
    Path::shared(name)
}

fn append(name: &str, text: &str) -> FsOp {
    FsOp::Append { path: shared(name), bytes: text.into() }
}

fn create(name: &str, text: &str) -> FsOp {
    FsOp::CreateNew { path: shared(name), content: text.into() }
}

fn flush(name: &str) -> FsOp {
    FsOp::Flush { path: shared(name) }
}

fn overwrite(name: &str, text: &str) -> FsOp {
    FsOp::Overwrite { path: shared(name), content: text.into() }
}

fn remove(name: &str) -> FsOp {
    FsOp::Remove { path: shared(name) }
}

fn rename(from: &str, to: &str) -> FsOp {
    FsOp::Rename { from: shared(from), to: shared(to) }
}

fn replace(name: &str, text: &str) -> FsOp {
    FsOp::Replace { path: shared(name), content: text.into() }
}

/// Every op that writes the file, with its content in the end where the file was missing.
fn writes(name: &str) -> [FsOp; 4] {
    [append(name, "x"), create(name, "x"), overwrite(name, "x"), replace(name, "x")]
}

#[track_caller]
fn does(view: &mut dyn FsMut, op: &FsOp) {
    assert_eq!(view.apply(op), Ok(()), "{op:?}");
}

#[track_caller]
fn fails(view: &mut dyn FsMut, op: &FsOp, error: FsError) {
    assert_eq!(view.apply(op), Err(error), "{op:?}");
}

#[track_caller]
fn holds(view: &dyn FsMut, path: &Path, text: &str) {
    assert_eq!(view.read(path, 0), Ok(Content::from(text)), "{path}");
}

#[track_caller]
fn is_missing(view: &dyn FsMut, path: &Path) {
    assert_eq!(view.read(path, 0), Err(FsError::NotFound), "{path}");
}

/// The names in a directory; those of directories end with `/`.
#[track_caller]
fn names(view: &dyn FsMut, dir: &Path) -> Vec<String> {
    let entries = view.list(dir).unwrap_or_else(|error| panic!("{dir} cannot be listed: {error}"));
    let name = |kind| if kind == EntryKind::Dir { "/" } else { "" };
    entries.iter().map(|entry| format!("{}{}", entry.name(), name(entry.kind))).collect()
}

fn the_roots_are_there_from_the_start(view: &mut dyn FsMut) {
    for root in [shared(""), Path::local("")] {
        assert_eq!(view.list(&root), Ok(vec![]), "{root}");
        assert_eq!(view.read(&root, 0), Err(FsError::Refused), "{root}");
    }
}

fn a_missing_file_is_not_found(view: &mut dyn FsMut) {
    is_missing(view, &shared("a"));
    is_missing(view, &shared("a/b/c"));
    assert_eq!(view.read(&shared("a"), 7), Err(FsError::NotFound));
    for op in [flush("a"), remove("a"), rename("a", "b"), remove("a/b"), rename("a/b", "c/d")] {
        fails(view, &op, FsError::NotFound);
    }
    assert_eq!(names(view, &shared("")), [""; 0], "a failed op leaves nothing, no directory either");
}

fn a_missing_directory_is_not_found(view: &mut dyn FsMut) {
    does(view, &create("ab/c", "x"));
    for dir in ["a", "abc", "ab/d", "ab/d/e"] {
        assert_eq!(view.list(&shared(dir)), Err(FsError::NotFound), "{dir}");
    }
}

fn an_append_creates_and_extends(view: &mut dyn FsMut) {
    does(view, &append("log", "one\n"));
    does(view, &append("log", ""));
    does(view, &append("log", "two\n"));
    holds(view, &shared("log"), "one\ntwo\n");
    does(view, &append("empty", ""));
    holds(view, &shared("empty"), "");
}

fn a_read_past_the_end_is_empty(view: &mut dyn FsMut) {
    does(view, &create("a", "abc"));
    for (from, rest) in [(0, "abc"), (1, "bc"), (3, ""), (4, ""), (u64::MAX, "")] {
        assert_eq!(view.read(&shared("a"), from), Ok(Content::from(rest)), "from {from}");
    }
}

fn a_name_that_is_taken_is_not_created_anew(view: &mut dyn FsMut) {
    does(view, &create("a", "first"));
    fails(view, &create("a", "second"), FsError::Exists);
    holds(view, &shared("a"), "first");
    does(view, &create("dir/b", "x"));
    fails(view, &create("dir", "x"), FsError::Exists);
    does(view, &remove("a"));
    does(view, &create("a", "second"));
    holds(view, &shared("a"), "second");
}

fn an_overwrite_truncates(view: &mut dyn FsMut) {
    does(view, &overwrite("a", "a long text"));
    holds(view, &shared("a"), "a long text");
    does(view, &overwrite("a", "short"));
    holds(view, &shared("a"), "short");
    does(view, &overwrite("a", ""));
    holds(view, &shared("a"), "");
}

fn a_replacement_is_whole(view: &mut dyn FsMut) {
    does(view, &replace("dir/a", "old and long"));
    does(view, &replace("dir/a", "new"));
    holds(view, &shared("dir/a"), "new");
    assert_eq!(names(view, &shared("dir")), ["a"], "the temporary file is nowhere to be seen");
    assert_eq!(names(view, &shared("")), ["dir/"], "the temporary file is nowhere to be seen");
}

fn a_removed_file_is_gone_and_its_name_free(view: &mut dyn FsMut) {
    does(view, &create("a", "x"));
    does(view, &create("dir/b", "x"));
    does(view, &remove("a"));
    does(view, &remove("dir/b"));
    is_missing(view, &shared("a"));
    fails(view, &remove("a"), FsError::NotFound);
    assert!(!names(view, &shared("")).contains(&"a".into()));
    assert!(matches!(view.list(&shared("dir")).as_deref(), Ok([]) | Err(FsError::NotFound)));
    does(view, &append("a", "y"));
    holds(view, &shared("a"), "y");
}

fn a_rename_moves_the_bytes(view: &mut dyn FsMut) {
    does(view, &create("tmp", "text"));
    does(view, &rename("tmp", "new/deep/a"));
    is_missing(view, &shared("tmp"));
    holds(view, &shared("new/deep/a"), "text");
    assert_eq!(names(view, &shared("")), ["new/"]);
    fails(view, &rename("tmp", "b"), FsError::NotFound);
    does(view, &append("new/deep/a", ", and more"));
    holds(view, &shared("new/deep/a"), "text, and more");
}

fn a_rename_replaces_what_had_the_name(view: &mut dyn FsMut) {
    does(view, &create("a", "old"));
    does(view, &create("tmp", "new"));
    does(view, &rename("tmp", "a"));
    holds(view, &shared("a"), "new");
    assert_eq!(names(view, &shared("")), ["a"]);
}

fn a_rename_onto_itself_changes_nothing(view: &mut dyn FsMut) {
    does(view, &create("a", "text"));
    does(view, &rename("a", "a"));
    holds(view, &shared("a"), "text");
}

fn a_rename_stays_within_its_root(view: &mut dyn FsMut) {
    does(view, &create("a", "text"));
    fails(view, &FsOp::Rename { from: shared("a"), to: Path::local("a") }, FsError::Refused);
    holds(view, &shared("a"), "text");
    is_missing(view, &Path::local("a"));
}

fn a_flush_changes_nothing_that_can_be_seen(view: &mut dyn FsMut) {
    does(view, &append("a", "text"));
    does(view, &flush("a"));
    does(view, &flush("a"));
    holds(view, &shared("a"), "text");
    assert_eq!(names(view, &shared("")), ["a"]);
}

fn a_directory_is_made_by_the_file_in_it(view: &mut dyn FsMut) {
    for (dir, op) in writes("file").iter().enumerate().map(|(dir, op)| (format!("d{dir}/e"), op)) {
        let path = shared(&dir).join("file");
        let op = match op.clone() {
            FsOp::Append { bytes, .. } => FsOp::Append { path, bytes },
            FsOp::CreateNew { content, .. } => FsOp::CreateNew { path, content },
            FsOp::Overwrite { content, .. } => FsOp::Overwrite { path, content },
            _ => FsOp::Replace { path, content: "x".into() },
        };
        does(view, &op);
        holds(view, &shared(&dir).join("file"), "x");
        assert_eq!(names(view, &shared(&dir)), ["file"]);
    }
    assert_eq!(names(view, &shared("")), ["d0/", "d1/", "d2/", "d3/"]);
    assert_eq!(names(view, &shared("d0")), ["e/"]);
}

fn a_directory_is_not_a_file(view: &mut dyn FsMut) {
    does(view, &create("dir/sub/a", "x"));
    does(view, &create("b", "x"));
    for dir in ["dir", "dir/sub"] {
        assert_eq!(view.read(&shared(dir), 0), Err(FsError::Refused), "{dir}");
        for op in [append(dir, "x"), overwrite(dir, "x"), replace(dir, "x"), flush(dir), remove(dir)] {
            fails(view, &op, FsError::Refused);
        }
        fails(view, &rename(dir, "elsewhere"), FsError::Refused);
        fails(view, &rename("b", dir), FsError::Refused);
    }
    holds(view, &shared("dir/sub/a"), "x");
    holds(view, &shared("b"), "x");
    assert_eq!(names(view, &shared("")), ["b", "dir/"]);
}

fn a_file_is_not_a_directory(view: &mut dyn FsMut) {
    does(view, &create("a", "x"));
    does(view, &create("b", "y"));
    assert_eq!(view.list(&shared("a")), Err(FsError::Refused));
    assert_eq!(view.list(&shared("a/b")), Err(FsError::NotFound));
    is_missing(view, &shared("a/b"));
    for op in writes("a/b").iter().chain(&writes("a/b/c")).chain(&[rename("b", "a/b")]) {
        fails(view, op, FsError::Refused);
    }
    for op in [remove("a/b"), flush("a/b"), rename("a/b", "c")] {
        fails(view, &op, FsError::NotFound);
    }
    holds(view, &shared("a"), "x");
    assert_eq!(names(view, &shared("")), ["a", "b"]);
}

fn a_crowd_of_files_is_listed_in_order(view: &mut dyn FsMut) {
    // Sorted by name, a directory comes before files that its path comes after.
    let files = ["b", "a/z", "a-x", "a x", "a.y", "a0", "B", "a/a", "a/c/d", ".hidden", "é", "aa"];
    for file in files {
        does(view, &create(file, "x"));
    }
    let all = [".hidden", "B", "a/", "a x", "a-x", "a.y", "a0", "aa", "b", "é"];
    assert_eq!(names(view, &shared("")), all);
    assert_eq!(names(view, &shared("a")), ["a", "c/", "z"]);
    assert_eq!(names(view, &shared("a/c")), ["d"]);
}

fn an_entry_tells_its_length(view: &mut dyn FsMut) {
    does(view, &create("a", "abc"));
    does(view, &append("a", "de"));
    does(view, &create("empty", ""));
    let entries = view.list(&shared("")).expect("the root can be listed");
    let lengths: Vec<_> = entries.iter().map(|entry| (entry.name(), entry.kind, entry.len)).collect();
    assert_eq!(lengths, [("a", EntryKind::File, 5), ("empty", EntryKind::File, 0)]);
    assert!(entries.iter().all(|entry| entry.modified.0 > 0), "a file was changed some time after 1970");
}

fn any_bytes_come_back(view: &mut dyn FsMut) {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let path = shared("bytes");
    does(view, &FsOp::CreateNew { path: path.clone(), content: Content::new(bytes.clone()) });
    assert_eq!(view.read(&path, 0), Ok(Content::new(bytes.clone())));
    does(view, &FsOp::Append { path: path.clone(), bytes: Content::new([0, 255, b'\n', b'\r']) });
    assert_eq!(view.read(&path, 70_000), Ok(Content::new([0, 255, b'\n', b'\r'])));
}

fn odd_names_are_names(view: &mut dyn FsMut) {
    // Those that Linux and macOS keep apart as they are.
    let odd = [" ", "a b", "a:b@c-d", "work@host:-Users-me.json", "...", "é 日本", "name 2.txt", "%41 & \"'"];
    for name in odd {
        let path = shared("odd").join(name);
        does(view, &FsOp::Replace { path: path.clone(), content: name.into() });
        holds(view, &path, name);
    }
    let mut sorted = odd;
    sorted.sort_unstable();
    assert_eq!(names(view, &shared("odd")), sorted);
}

fn the_roots_are_apart(view: &mut dyn FsMut) {
    let local = |name: &str, text: &str| FsOp::CreateNew { path: Path::local(name), content: text.into() };
    does(view, &create("a", "shared"));
    does(view, &local("a", "local"));
    does(view, &local("b/c", "local"));
    holds(view, &shared("a"), "shared");
    holds(view, &Path::local("a"), "local");
    does(view, &remove("a"));
    is_missing(view, &shared("a"));
    holds(view, &Path::local("a"), "local");
    assert_eq!(names(view, &shared("")), [""; 0]);
    assert_eq!(names(view, &Path::local("")), ["a", "b/"]);
}

fn a_placeholder_is_not_here_yet(view: &mut dyn FsMut) {
    for from in [0, 7] {
        assert_eq!(view.read(&shared(ELSEWHERE), from), Err(FsError::NotLocal));
    }
    assert_eq!(names(view, &shared("")), [ELSEWHERE]);
}

fn a_placeholder_is_neither_flushed_moved_nor_removed(view: &mut dyn FsMut) {
    for op in [remove(ELSEWHERE), flush(ELSEWHERE), rename(ELSEWHERE, "b")] {
        fails(view, &op, FsError::NotLocal);
    }
    a_placeholder_is_not_here_yet(view);
}

/// An op puts a new file where the placeholder stands: what was elsewhere is not in it.
#[track_caller]
fn displaces(view: &mut dyn FsMut, op: &FsOp) {
    does(view, op);
    holds(view, &shared(ELSEWHERE), "x");
    assert_eq!(names(view, &shared("")), [ELSEWHERE]);
}

fn an_append_displaces_a_placeholder(view: &mut dyn FsMut) {
    displaces(view, &append(ELSEWHERE, "x"));
}

fn a_create_displaces_a_placeholder(view: &mut dyn FsMut) {
    displaces(view, &create(ELSEWHERE, "x"));
}

fn an_overwrite_displaces_a_placeholder(view: &mut dyn FsMut) {
    displaces(view, &overwrite(ELSEWHERE, "x"));
}

fn a_replacement_displaces_a_placeholder(view: &mut dyn FsMut) {
    displaces(view, &replace(ELSEWHERE, "x"));
}

fn a_rename_displaces_a_placeholder(view: &mut dyn FsMut) {
    does(view, &create("a", "x"));
    displaces(view, &rename("a", ELSEWHERE));
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::kit::stub::StubBy;

    use super::*;
    use crate::world::LocalView;

    #[test]
    fn a_simulated_disk_conforms() {
        for case in cases() {
            println!("{}", case.name);
            (case.run)(&mut LocalView::default());
        }
        for (case, by) in placeholder_cases().iter().flat_map(|case| StubBy::ALL.map(|by| (case, by))) {
            println!("{} {by:?}", case.name);
            (case.run)(&mut LocalView::with_placeholder(&shared(ELSEWHERE), by));
        }
    }

    #[test]
    fn the_cases_are_in_order_and_have_names_of_their_own() {
        for cases in [cases(), placeholder_cases()] {
            assert!(cases.is_sorted_by(|one, other| one.name < other.name));
        }
    }
}
