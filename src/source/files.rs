//! From the paths of a source to its files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};
use arrow::datatypes::DataType;

use super::unreadable::unreadable;
use super::walk;
use crate::config::{Located, Text};
use crate::error::Error;

/// A file of a source, and the values in the names of the folders around it (`country=DE/year=2011/`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    /// Relative to the pipeline file's folder where it lies below it, else as found.
    pub shown: String,
    /// Key and value of each `key=value` folder; `None` is NULL.
    pub keys: BTreeMap<String, Option<String>>,
}

/// Resolves files, globs and folders, relative to `base`; gives each file once, sorted. Every path without a file is an
/// error at its place in `pipeline`.
pub(super) fn resolve(paths: &[Located<Text>], base: &Path, pipeline: &Path) -> (Vec<Found>, Vec<Error>) {
    let (mut files, mut errors) = (BTreeMap::new(), vec![]);
    let mut canonical = LinkResolver::default();
    for path in paths {
        match expand(&path.value, base) {
            Ok(found) => {
                for file in found {
                    // Two paths may lead to one file, which is read once.
                    files.entry(canonical.of(&file)).or_insert_with(|| describe(file, base, &path.value));
                }
            }
            Err(e) => errors.push(e.at(pipeline, Some(path.span.clone()))),
        }
    }
    let mut files: Vec<Found> = files.into_values().collect();
    files.sort_by(|a, b| a.shown.cmp(&b.shown));
    (files, errors)
}

fn expand(pattern: &Text, base: &Path) -> Result<Vec<PathBuf>, Error> {
    let text = pattern.value();
    if text.contains("://") {
        return Err(Error::pipeline(format!("`{pattern}` is in an object store. Not yet supported: reading from one"))
            .help("copy the exports to a local folder and name that"));
    }
    let path = base.join(text);
    let shown = |path: &Path| shown(path, base, pattern);
    match std::fs::metadata(&path) {
        Ok(about) if about.is_dir() => {
            let found = walk::folder(&path, &shown)?;
            if found.is_empty() {
                return Err(Error::input(format!("the folder `{pattern}` holds no Parquet file")).help(
                    "files count whose name ends in .parquet, .parq or .pq; check whether the export has arrived",
                ));
            }
            Ok(found)
        }
        Ok(_) => Ok(vec![path]),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && text.contains(['*', '?', '[']) => {
            let found = walk::pattern(pattern, base, &shown)?;
            if found.is_empty() {
                return Err(Error::input(format!("no file matches `{pattern}`")).help(format!(
                    "searched in {}; check the pattern, or whether the export has arrived",
                    base.display()
                )));
            }
            Ok(found)
        }
        Err(e) => Err(unreadable(&shown(&path), &e)),
    }
}

/// Resolves links, so that paths to the same file are recognised.
#[derive(Default)]
struct LinkResolver {
    /// The folder of the last file and its path without links. Many files lie in few folders, so each folder is mostly
    /// resolved once.
    folder: Option<(PathBuf, PathBuf)>,
}

impl LinkResolver {
    fn of(&mut self, file: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return file.to_path_buf() };
        if file.is_symlink() {
            return file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        }
        if let Some((last, canonical)) = &self.folder
            && last == folder
        {
            return canonical.join(name);
        }
        let Ok(canonical) = walk::or_here(folder).canonicalize() else { return file.to_path_buf() };
        let found = canonical.join(name);
        self.folder = Some((folder.to_path_buf(), canonical));
        found
    }
}

/// A path as messages show it: relative to the pipeline file's folder where it lies below that, and with references to the
/// environment as the pipeline file has them.
fn shown(path: &Path, base: &Path, pattern: &Text) -> String {
    let below = path.strip_prefix(base).unwrap_or(path);
    if !pattern.is_filled_in() {
        return below.to_string_lossy().into_owned();
    }
    let from = if Path::new(pattern.value()).is_absolute() { path } else { below };
    let written = pattern.unexpanded(&from.to_string_lossy());
    Path::new(&written).strip_prefix(base).map_or(written.clone(), |below| below.to_string_lossy().into_owned())
}

fn describe(path: PathBuf, base: &Path, pattern: &Text) -> Found {
    let shown = shown(&path, base, pattern);
    let below = path.strip_prefix(base).unwrap_or(&path).to_path_buf();
    let folders = below.parent().into_iter().flat_map(Path::components);
    let keys = folders.filter_map(|part| match part {
        Component::Normal(name) => {
            let (key, value) = name.to_str()?.split_once('=')?;
            let value = (value != "__HIVE_DEFAULT_PARTITION__").then(|| percent_decoded(value));
            (!key.is_empty()).then(|| (percent_decoded(key), value))
        }
        _ => None,
    });
    Found { shown, keys: keys.collect(), path }
}

/// A column whose value stands in the name of a folder: the same in every row, an integer or text.
pub(super) fn constant(value: Option<&str>, kind: &DataType, rows: usize) -> ArrayRef {
    match kind {
        DataType::Int64 => Arc::new(Int64Array::from(vec![value.and_then(|v| v.parse::<i64>().ok()); rows])),
        _ => Arc::new(StringViewArray::from_iter(vec![value; rows])),
    }
}

/// Hive writes characters that a file name cannot hold as `%2F`.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        match code.and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::Builder::new().prefix("a[folder]*").tempdir().unwrap();
        for file in [
            "tx/b.parquet",
            "tx/a.parquet",
            "tx/_SUCCESS",
            "tx/.a.parquet.crc",
            "tx/readme.txt",
            "hive/country=DE/year=2011/part-0.parquet",
            "hive/country=a%2Fb/year=2012/part-0.parquet",
            "hive/country=__HIVE_DEFAULT_PARTITION__/year=2012/part-0.parquet",
            "empty/readme.txt",
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn find(dir: &Path, paths: &[&str]) -> (Vec<Found>, Vec<Error>) {
        let paths: Vec<_> = paths.iter().map(|p| Located { value: Text::plain(*p), span: 3..5 }).collect();
        resolve(&paths, dir, Path::new("p.toml"))
    }

    fn shown(files: &[Found]) -> Vec<&str> {
        files.iter().map(|f| f.shown.as_str()).collect()
    }

    #[test]
    fn files_globs_and_folders_give_each_file_once_in_order() {
        let dir = tree();
        let both = ["tx/a.parquet", "tx/b.parquet"];
        assert_eq!(shown(&find(dir.path(), &["tx"]).0), both);
        assert_eq!(shown(&find(dir.path(), &["tx/*.parquet", "tx/a.parquet", "tx/../tx/b.parquet"]).0), both);
        assert_eq!(shown(&find(dir.path(), &["tx/[b]*"]).0), ["tx/b.parquet"]);
        assert_eq!(find(dir.path(), &["**/*.parquet"]).0.len(), 5);
        assert_eq!(find(dir.path(), &["hive/*"]).0.len(), 3);
        let absolute = dir.path().join("tx/a.parquet");
        assert_eq!(shown(&find(dir.path(), &[absolute.to_str().unwrap()]).0), ["tx/a.parquet"]);
    }

    #[test]
    fn hive_folders_say_what_stands_in_their_names() {
        let dir = tree();
        let (files, errors) = find(dir.path(), &["hive"]);
        assert!(errors.is_empty());
        let countries: Vec<_> = files.iter().map(|f| f.keys["country"].as_deref()).collect();
        assert_eq!(countries, [Some("DE"), None, Some("a/b")]);
        assert_eq!(files[0].keys["year"].as_deref(), Some("2011"));
    }

    #[test]
    fn every_path_that_leads_nowhere_is_reported_at_its_place() {
        let dir = tree();
        let (files, errors) = find(dir.path(), &["nope.parquet", "tx", "no*.parquet", "empty", "s3://b/x", "a[*"]);
        assert_eq!(files.len(), 2);
        let kinds: Vec<ErrorKind> = errors.iter().map(|e| e.kind).collect();
        assert_eq!(
            kinds,
            [ErrorKind::Input, ErrorKind::Input, ErrorKind::Input, ErrorKind::Pipeline, ErrorKind::Pipeline]
        );
        assert!(errors.iter().all(|e| e.help.is_some() && e.place.as_ref().unwrap().span == Some(3..5)));
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_are_an_error_not_a_hang() {
        let dir = tree();
        std::os::unix::fs::symlink(dir.path().join("tx"), dir.path().join("tx/loop")).unwrap();
        assert!(!find(dir.path(), &["tx"]).1.is_empty());
    }
}
