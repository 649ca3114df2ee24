//! Finds the files below a folder and the files that a pattern matches. Links are followed. Each folder is visited once for
//! each part of a pattern, so the work is linear in the number of entries, whatever the links are.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use glob::Pattern;

use super::unreadable::unreadable;
use crate::config::Text;
use crate::error::{Error, Result};

/// How deep folders may nest. The stack of a thread has room for many more.
const DEEPEST: usize = 256;

/// Device and inode of a folder.
type FolderId = (u64, u64);

/// A part of a pattern between two slashes.
enum PatternPart {
    /// A plain name, without `*`, `?` or `[`: it is opened without listing the folder.
    Name(String),
    Names(Pattern),
    /// `**`
    Folders,
}

impl PatternPart {
    fn matches(&self, name: &str) -> bool {
        match self {
            PatternPart::Name(text) => text == name,
            PatternPart::Names(pattern) => pattern.matches(name),
            PatternPart::Folders => false,
        }
    }
}

/// An entry of a folder.
struct FolderEntry {
    name: std::ffi::OsString,
    path: PathBuf,
    is_folder: bool,
}

/// What is searched for in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Search {
    /// What the pattern matches from this part on.
    From(usize),
    /// Parquet files at any depth.
    ParquetFiles,
}

/// How a path is named in messages.
type Shown<'a> = &'a dyn Fn(&Path) -> String;

/// Collects files.
struct FolderWalk<'a> {
    shown: Shown<'a>,
    parts: Rc<[PatternPart]>,
    visited: HashSet<(FolderId, Search)>,
    /// The folders above and what is searched for in them. Kept only where folders are followed to any depth.
    above: Vec<(FolderId, Search)>,
    depth: usize,
    found: Vec<PathBuf>,
}

/// The Parquet files in a folder and those below it.
///
/// # Errors
/// Input: a folder cannot be read, a link leads back to a folder above it, or folders nest too deep.
pub(super) fn folder(path: &Path, shown: Shown<'_>) -> Result<Vec<PathBuf>> {
    let mut walk = FolderWalk::new(shown, vec![]);
    walk.visit(path, Search::ParquetFiles)?;
    Ok(walk.found)
}

/// The files that `pattern` matches, starting at `base` unless the pattern is absolute. A folder that it matches gives the
/// Parquet files in it, unless the pattern has `**`, which finds the files itself.
///
/// # Errors
/// As [`folder`]. Pipeline: it is not a pattern.
pub(super) fn pattern(pattern: &Text, base: &Path, shown: Shown<'_>) -> Result<Vec<PathBuf>> {
    let wrong = |e: glob::PatternError| {
        Error::pipeline(format!("`{pattern}` is not a pattern: {}", e.msg))
            .help("`*` stands for any part of a name, `**` for any folders, `?` for one letter")
    };
    let text = pattern.value();
    Pattern::new(text).map_err(wrong)?;
    let mut parts = vec![];
    for part in text.split('/').filter(|part| !part.is_empty()) {
        let again = matches!(parts.last(), Some(PatternPart::Folders));
        match part {
            "**" if again => {}
            "**" => parts.push(PatternPart::Folders),
            name if !name.contains(['*', '?', '[']) => parts.push(PatternPart::Name(name.into())),
            names => parts.push(PatternPart::Names(Pattern::new(names).map_err(wrong)?)),
        }
    }
    let mut walk = FolderWalk::new(shown, parts);
    let start = if Path::new(text).is_absolute() { Path::new("/") } else { base };
    walk.visit(start, Search::From(0))?;
    Ok(walk.found)
}

impl<'a> FolderWalk<'a> {
    fn new(shown: Shown<'a>, parts: Vec<PatternPart>) -> Self {
        FolderWalk { shown, parts: parts.into(), visited: HashSet::new(), above: vec![], depth: 0, found: vec![] }
    }

    /// Searches a folder, unless it was searched for the same thing before.
    fn visit(&mut self, path: &Path, task: Search) -> Result<()> {
        let about = std::fs::metadata(or_here(path)).map_err(|e| unreadable(&(self.shown)(path), &e))?;
        let visit = ((about.dev(), about.ino()), task);
        let any_depth = match task {
            Search::From(part) => matches!(self.parts[part], PatternPart::Folders),
            Search::ParquetFiles => true,
        };
        if any_depth && self.above.contains(&visit) {
            return Err(Error::input(format!("the link {} leads back to a folder above it", (self.shown)(path)))
                .help("remove the link, or name the folders to read one by one"));
        }
        if !self.visited.insert(visit) {
            return Ok(());
        }
        if self.depth == DEEPEST {
            return Err(Error::input(format!("{} lies more than {DEEPEST} folders deep", (self.shown)(path)))
                .help("name a folder further down"));
        }
        self.depth += 1;
        // Where the pattern bounds the depth, a link that leads back does no harm.
        if any_depth {
            self.above.push(visit);
        }
        match task {
            Search::From(part) => self.look_for(path, part)?,
            Search::ParquetFiles => self.parquet_files(path)?,
        }
        if any_depth {
            self.above.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    fn look_for(&mut self, folder: &Path, part: usize) -> Result<()> {
        let parts = self.parts.clone();
        match &parts[part] {
            PatternPart::Name(name) => {
                let path = folder.join(name);
                match std::fs::metadata(&path) {
                    Ok(about) => self.matched(path, about.is_dir(), part),
                    // A link to nothing counts as found, so that opening it reports the broken link.
                    Err(_) if path.is_symlink() => self.matched(path, false, part),
                    Err(_) => Ok(()),
                }
            }
            PatternPart::Names(pattern) => {
                let fits = |entry: &FolderEntry| entry.name.to_str().is_some_and(|name| pattern.matches(name));
                let entries: Vec<FolderEntry> = self.entries(folder)?.into_iter().filter(fits).collect();
                entries.into_iter().try_for_each(|entry| self.matched(entry.path, entry.is_folder, part))
            }
            PatternPart::Folders => {
                for FolderEntry { name, path, is_folder } in self.entries(folder)? {
                    let next = parts.get(part + 1);
                    if next.zip(name.to_str()).is_some_and(|(next, name)| next.matches(name)) {
                        self.matched(path.clone(), is_folder, part + 1)?;
                    }
                    if is_folder {
                        self.visit(&path, Search::From(part))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Goes on from a path that matches the pattern up to and including this part.
    fn matched(&mut self, path: PathBuf, is_folder: bool, part: usize) -> Result<()> {
        let is_last = part + 1 == self.parts.len();
        let finds_files_itself = || self.parts.iter().any(|part| matches!(part, PatternPart::Folders));
        match (is_last, is_folder) {
            (false, true) => self.visit(&path, Search::From(part + 1)),
            (false, false) => Ok(()),
            (true, true) if finds_files_itself() => Ok(()),
            (true, true) => self.visit(&path, Search::ParquetFiles),
            (true, false) => {
                self.found.push(path);
                Ok(())
            }
        }
    }

    fn parquet_files(&mut self, folder: &Path) -> Result<()> {
        for FolderEntry { name, path, is_folder } in self.entries(folder)? {
            let name = name.to_string_lossy();
            // Writers leave such names beside their data: _SUCCESS, _temporary, .crc
            if name.starts_with(['_', '.']) {
                continue;
            }
            if is_folder {
                self.visit(&path, Search::ParquetFiles)?;
            } else if [".parquet", ".parq", ".pq"].iter().any(|end| name.to_ascii_lowercase().ends_with(end)) {
                self.found.push(path);
            }
        }
        Ok(())
    }

    /// The entries of a folder, in order of name.
    fn entries(&self, folder: &Path) -> Result<Vec<FolderEntry>> {
        let failed = |e: std::io::Error| unreadable(&(self.shown)(folder), &e);
        let mut entries = vec![];
        for entry in std::fs::read_dir(or_here(folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = folder.join(entry.file_name());
            let is_folder = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                _ => path.is_dir(),
            };
            entries.push(FolderEntry { name: entry.file_name(), path, is_folder });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

/// The path, or the current folder where it is empty.
pub(super) fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn named(path: &Path) -> String {
        path.display().to_string()
    }

    /// Relative to the folder, or what is wrong.
    fn found(dir: &Path, text: &str) -> Vec<String> {
        match pattern(&Text::plain(text), dir, &named) {
            Ok(files) => files.iter().map(|f| f.strip_prefix(dir).unwrap().display().to_string()).collect(),
            Err(e) => vec![e.what.replace(&dir.display().to_string(), "DIR")],
        }
    }

    #[test]
    fn patterns_match_as_the_glob_crate_does() {
        let dir = tree(&[
            "a/1.parquet",
            "a/2.parquet",
            "a/.hidden.parquet",
            "a/b/3.parquet",
            "a/b/c/4.parquet",
            "a/b/c/x.csv",
            "d/b/5.parquet",
            "d/[e]/6.parquet",
        ]);
        symlink("nowhere", dir.path().join("a/0.parquet")).unwrap();
        for text in [
            "**/*.parquet",
            "a/*.parquet",
            "*/*.parquet",
            "*/b/*.parquet",
            "**/b/*.parquet",
            "**/b/**/*.parquet",
            "**/**/*.parquet",
            "a/**/*.parquet",
            "a/b/../[12].parquet",
            "./a//[!1].parquet",
            "?/?.parquet",
            "*/?e]/*",
            "d/[[]e]/*",
            "**/c/*",
            "a/*/c/4.parquet",
            "a/0.*",
            "a/1.parquet/*",
            "z/*",
            "**/nothing",
            "**",
        ] {
            let base = Pattern::escape(&dir.path().join("").to_string_lossy());
            let theirs: Vec<PathBuf> = glob::glob(&format!("{base}{text}")).unwrap().map(|f| f.unwrap()).collect();
            let theirs = theirs.into_iter().filter(|f| !f.is_dir());
            let theirs: Vec<String> = theirs.map(|f| normal(f.strip_prefix(dir.path()).unwrap())).collect();
            let ours: Vec<String> = found(dir.path(), text).iter().map(|f| normal(Path::new(f))).collect();
            assert_eq!(ours, theirs, "{text}");
        }
    }

    /// Without `.` and doubled slashes.
    fn normal(path: &Path) -> String {
        path.components().collect::<PathBuf>().display().to_string().trim_start_matches("./").into()
    }

    #[test]
    fn folders_that_a_pattern_matches_give_their_parquet_files() {
        let dir = tree(&["year=1/a.parquet", "year=1/deep/b.PARQ", "year=1/_tmp/c.parquet", "year=2/d.csv"]);
        assert_eq!(found(dir.path(), "*"), ["year=1/a.parquet", "year=1/deep/b.PARQ"]);
        assert_eq!(found(dir.path(), "year=[2]"), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_back_are_named_where_the_depth_has_no_bound() {
        let dir = tree(&["in/a.parquet", "in/sub/b.parquet"]);
        symlink(".", dir.path().join("in/x")).unwrap();
        symlink(".", dir.path().join("in/y")).unwrap();
        symlink("..", dir.path().join("in/sub/up")).unwrap();
        let back = ["the link DIR/in/sub/up leads back to a folder above it"];
        assert_eq!(found(dir.path(), "in/**/*.parquet"), back);
        assert_eq!(found(dir.path(), "in"), back);
        // Here the pattern bounds it, and each folder is visited once a part, though there are 2^30 paths.
        let many = format!("in/{}*.parquet", "*/".repeat(30));
        assert_eq!(found(dir.path(), &many).len(), 2);
    }

    #[test]
    fn two_ways_to_one_folder_are_no_loop_and_no_double_work() {
        let dir = tree(&["f0/a.parquet"]);
        for level in 1..=60 {
            let folder = dir.path().join(format!("f{level}"));
            std::fs::create_dir(&folder).unwrap();
            let below = format!("../f{}", level - 1);
            symlink(&below, folder.join("x")).unwrap();
            symlink(&below, folder.join("y")).unwrap();
        }
        // A path may go through 40 links: from f30 there are 2^30 of them.
        assert_eq!(found(dir.path(), "f30/**/*.parquet").len(), 1);
        assert_eq!(folder(&dir.path().join("f30"), &named).unwrap().len(), 1);
        let many = format!("f30/{}*.parquet", "*/".repeat(30));
        assert_eq!(found(dir.path(), &many).len(), 1);
    }

    #[test]
    fn folders_have_a_depth() {
        let dir = tempfile::tempdir().unwrap();
        let deep = |depth: usize| dir.path().join("d/".repeat(depth));
        std::fs::create_dir_all(deep(DEEPEST - 1)).unwrap();
        std::fs::write(deep(DEEPEST - 1).join("a.parquet"), "").unwrap();
        assert_eq!(folder(dir.path(), &named).unwrap().len(), 1);
        std::fs::create_dir_all(deep(DEEPEST)).unwrap();
        let said = folder(dir.path(), &named).unwrap_err().what;
        assert!(said.ends_with("lies more than 256 folders deep"), "{said}");
        assert_eq!(found(dir.path(), "**/*.parquet"), [said.replace(&dir.path().display().to_string(), "DIR")]);
    }

    #[test]
    fn a_folder_of_many_files_takes_a_look_at_each() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..20_000 {
            std::fs::write(dir.path().join(format!("{i}.parquet")), "").unwrap();
        }
        assert_eq!(found(dir.path(), "*").len(), 20_000);
    }
}
