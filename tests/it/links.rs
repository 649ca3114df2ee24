//! Links that somebody planted in the output folder, and the permissions of what is written there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::days::day;
use crate::scenario::{Scenario, Transaction};
use crate::support::{Outcome, Workspace};

fn small() -> Workspace {
    let purchase = |n: i64| Transaction::new(n % 40, day("2020-01-03") + n % 180, 10_00 + n);
    Workspace::of(&Scenario::purchases((0..400).map(purchase).collect()))
}

/// Everything below a folder, with the contents of files.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = vec![];
    let mut list: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    list.sort();
    for path in list {
        if path.is_dir() {
            found.push((path.clone(), vec![]));
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    found
}

#[test]
fn a_link_in_place_of_what_is_written_is_refused_or_replaced_and_never_followed() {
    let here = small();
    let elsewhere = here.join("elsewhere");
    fs::create_dir_all(elsewhere.join("20200101T000000Z-00000000")).expect("a folder");
    fs::write(elsewhere.join("20200101T000000Z-00000000/manifest.json"), "{}").expect("a file");
    fs::write(elsewhere.join("precious"), "precious").expect("a file");
    let before = contents(&elsewhere);
    let refused = [(".lock", "precious", "lock"), (".lock", "nothing", "lock"), ("runs", "", "link")];
    let replaced = [("latest", ""), ("latest", "precious"), ("latest", "nothing")];
    let plant = |name: &str, to: &str| {
        let _ = fs::remove_dir_all(here.join("out"));
        fs::create_dir(here.join("out")).expect("a folder");
        symlink(elsewhere.join(to), here.join("out").join(name)).expect("a link");
    };
    for (name, to, word) in refused {
        plant(name, to);
        here.run().exits(3).says(&[word, name]);
        assert_eq!(contents(&elsewhere), before, "{name} -> {to}");
        here.tenure(&["gc", "out", "--keep", "1"]).says(&[name]);
        assert_eq!(contents(&elsewhere), before, "gc, {name} -> {to}");
    }
    for (name, to) in replaced {
        plant(name, to);
        here.run().exits(0);
        assert_eq!(contents(&elsewhere), before, "{name} -> {to}");
        assert!(here.join("out/latest/manifest.json").is_file(), "{name} -> {to}");
    }
    // Hard links have one name that can be refused: the lock, the only file that is opened because it is there.
    let _ = fs::remove_dir_all(here.join("out"));
    fs::create_dir(here.join("out")).expect("a folder");
    fs::hard_link(elsewhere.join("precious"), here.join("out/.lock")).expect("a link");
    here.run().exits(3).says(&[".lock", "hard link"]);
    assert_eq!(contents(&elsewhere), before);
}

#[test]
fn the_output_folder_and_those_above_it_may_be_links() {
    let here = small();
    fs::create_dir_all(here.join("disk/of/another")).expect("a folder");
    symlink(here.join("disk"), here.join("link")).expect("a link");
    here.tenure(&["run", "pipeline.toml", "--quiet", "--out", "link/of/another"]).exits(0);
    symlink(here.join("disk/of"), here.join("out")).expect("a link");
    here.run().exits(0);
    assert!(here.join("disk/of/latest/manifest.json").is_file());
    assert!(here.join("disk/of/another/latest/manifest.json").is_file());
}

/// Runs with a umask.
fn run_with_umask(here: &Workspace, umask: &str) -> Outcome {
    let tenure = here.command(&[]);
    let mut command = Command::new("sh");
    command.current_dir(here.path()).env("TMPDIR", here.join("tmp")).arg0("sh");
    let script = format!("umask {umask}; exec \"$0\" run pipeline.toml --quiet");
    command.args(["-c", &script]).arg(tenure.get_program());
    Outcome::from(command.output().expect("a shell"))
}

#[test]
fn permissions_are_bounded_whatever_the_umask() {
    let here = small();
    let pipeline = fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    here.write("pipeline.toml", &pipeline.replace("dir = \"out\"", "dir = \"made/by/the/run\""));
    for (umask, folders, public) in
        [("000", 0o755, 0o644), ("022", 0o755, 0o644), ("027", 0o750, 0o640), ("077", 0o700, 0o600)]
    {
        let _ = fs::remove_dir_all(here.join("made"));
        run_with_umask(&here, umask).exits(0);
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        let mut seen = 0;
        for (path, _) in contents(&here.join("made")) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let expected = match name.as_str() {
                _ if path.is_dir() => folders,
                "customers.parquet" | "ledger.parquet" | "quarantine.parquet" => {
                    seen += 1;
                    0o600
                }
                _ => public,
            };
            assert_eq!(mode(&path), expected, "umask {umask}: {}", path.display());
        }
        assert!(seen >= 2, "there are private tables");
        assert_eq!(mode(&here.join("made")), folders);
    }
}
