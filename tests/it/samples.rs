//! The pipeline files that README and docs show are right: each is checked by the program, fragments with what they
//! leave out.

use std::fs;
use std::path::Path;

use crate::support::Workspace;

const SUBSCRIPTIONS: &str = r#"
[sources.subscriptions]
path = "exports/subscriptions.parquet"
columns = { customer_id = "c", started_at = "s", ended_at = "e", amount = "a", plan = "plan" }
"#;
const TRANSACTIONS: &str = r#"
[sources.transactions]
path = "exports/transactions.parquet"
columns = { customer_id = "c", occurred_at = "t", amount = "a" }
"#;
const CUSTOMERS: &str = r#"
[sources.customers]
path = "exports/customers.parquet"
columns = { customer_id = "c" }
"#;

/// The blocks of a Markdown file in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap_or(rest).to_owned() + "\n").collect()
}

#[test]
fn every_pipeline_file_that_is_shown_is_right() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(top.join("docs")).expect("the folder docs").map(|e| e.expect("an entry").path());
    let pages = docs.chain(["README.md", "CONTRIBUTING.md"].map(|name| top.join(name)));
    let mut tried = 0;
    for page in pages.filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&page).expect("a page of text");
        for sample in blocks(&text, "toml") {
            let mut whole = sample.clone();
            let has = |what: &str| sample.contains(what);
            if !has("[money]") {
                whole += "[money]\ncurrency = \"EUR\"\n";
            }
            if !has("[sources.transactions]") && !has("[sources.subscriptions]") {
                whole += if has("subscriptions") || has("reconcile") { SUBSCRIPTIONS } else { TRANSACTIONS };
                whole += CUSTOMERS;
            }
            let here = Workspace::new();
            here.write("sample.toml", &whole);
            let checked = here.tenure(&["check", "sample.toml", "--no-data"]);
            assert_eq!(checked.code, Some(0), "{}:\n{whole}\n{checked}", page.display());
            tried += 1;
        }
    }
    assert!(tried >= 7, "only {tried} samples were found");
}

#[test]
fn readme_is_short_and_its_links_lead_somewhere() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(top.join("README.md")).expect("README.md");
    let words = readme.split_whitespace().count();
    assert!(words <= 1200, "README.md has {words} words");
    let docs = fs::read_dir(top.join("docs")).expect("the folder docs").map(|e| e.expect("an entry").path());
    for page in docs.filter(|p| p.extension().is_some_and(|e| e == "md")).chain([top.join("README.md")]) {
        let text = fs::read_to_string(&page).expect("a page of text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let target = page.parent().expect("a folder").join(link);
            assert!(link.is_empty() || target.exists(), "{} links to {link}", page.display());
        }
    }
}
