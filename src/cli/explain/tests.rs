use super::*;

const SHOP: &str = r#"
[calendar]
as_of = 2021-01-01
observed_from = 2018-01-01
[money]
currency = "EUR"
[customers]
churn_after = "90 days"
[sources.transactions]
path = ["${EXPORTS:-exports}/tx/*.parquet"]
filter = "kind = 'sale'"
columns = { customer_id = "who", occurred_at = "at", amount = { sql = "price * 2" }, order_id = "receipt", product = "sku" }
[segments]
country = { column = "transactions.land", cap = 2 }
[stages.churn]
[stages.weekly]
kind = "churn"
period = "week"
segments = []
trailing = 4
"#;

fn explained(stage: Option<&str>, format: OutputFormat) -> Result<String, Errors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.toml");
    std::fs::write(&path, SHOP).unwrap();
    let pipeline = PipelineArgs { pipeline: path, as_of: None, set: vec![] };
    let mut out = vec![];
    run(&ExplainArgs { pipeline, stage: stage.map(Into::into), format }, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The text up to the tables, which their own tests cover.
#[test]
fn a_pipeline_is_explained_without_its_data() {
    let text = explained(None, OutputFormat::Text).unwrap();
    let (head, _) = text.split_once("STAGES AND TABLES").unwrap();
    insta::assert_snapshot!(head);
    for table in ["churn", "weekly", "customers", "ledger", "segments", "dates", "checks", "quarantine"] {
        assert!(text.contains(&format!("{table}: ")), "{table} is missing:\n{text}");
    }
}

#[test]
fn a_stage_is_explained_with_its_formulas_settings_and_columns() {
    let text = explained(Some("weekly"), OutputFormat::Text).unwrap();
    let (title, _) = text.split_once('\n').unwrap();
    assert_eq!(title, "weekly: stage of kind churn, by week");
    assert!(text.contains("churn_rate = churned / opening"), "{text}");
    let settings = text.split_once("  Settings").unwrap().1.split_once("  Table").unwrap().0;
    insta::assert_snapshot!(settings);
    assert!(text.contains("too near to observed_from"), "{text}");
    assert!(explained(Some("ledger"), OutputFormat::Text).unwrap().contains("Every movement of every customer"));
    let errors: Vec<Error> = explained(Some("wekly"), OutputFormat::Text).unwrap_err().into();
    assert_eq!(errors[0].what, "the pipeline has no stage `wekly`");
    assert!(errors[0].help.as_ref().unwrap().starts_with("did you mean `weekly`?"), "{:?}", errors[0].help);
}

#[test]
fn programs_read_the_same() {
    let json: serde_json::Value = serde_json::from_str(&explained(None, OutputFormat::Json).unwrap()).unwrap();
    assert_eq!(json["inputs"][0]["path"][0], "${EXPORTS:-exports}/tx/*.parquet", "the environment stays out");
    let columns = json["inputs"][0]["columns"].as_array().unwrap();
    let read = |name: &str| columns.iter().find(|c| c["name"] == name).map(|c| c["read"].as_bool());
    assert_eq!(
        (read("product"), read("order_id"), read("segment country")),
        (Some(Some(false)), Some(Some(true)), Some(Some(true)))
    );
    let folds = json["plan"]["folds"].as_array().unwrap();
    assert!(
        folds.iter().any(|f| f["fold"] == "movements" && f["lens"] == 2 && f["stages"][0] == "weekly"),
        "{folds:?}"
    );
    let names: Vec<&str> = json["parts"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["churn", "weekly", "customers", "ledger"]);
    assert_eq!(json["parts"][2]["tables"][0]["columns"][6]["type"], "DECIMAL(18,2)");
}
