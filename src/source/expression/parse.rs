//! Parses the text of an expression, and finds the columns that it names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Visit, Visitor};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use super::dialect::Metered;
use super::{SqlRefusal, nesting};
use crate::config::Text;

/// Longer texts are refused: a syntax tree is walked recursively.
const LONGEST: usize = 8_000;

/// The syntax tree of an expression. Whether its parts are allowed is decided when it is compiled.
#[derive(Clone, Debug)]
pub struct ParsedSql {
    pub(super) tree: Expr,
    sql: Text,
    columns: BTreeSet<String>,
}

impl ParsedSql {
    pub fn new(sql: impl Into<Text>) -> Result<ParsedSql, SqlRefusal> {
        let text = sql.into();
        parse(&text).map_err(|refusal| refusal.hiding(&text))
    }

    fn of(tree: Expr, sql: &Text) -> ParsedSql {
        let mut names = Names::default();
        let _ = tree.visit(&mut names);
        ParsedSql { tree, sql: sql.clone(), columns: names.0 }
    }

    /// Another tree, made from this one.
    pub(super) fn instead(&self, tree: Expr) -> ParsedSql {
        ParsedSql::of(tree, &self.sql)
    }

    /// The columns it names, sorted, each once.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    pub fn sql(&self) -> &Text {
        &self.sql
    }
}

fn parse(text: &Text) -> Result<ParsedSql, SqlRefusal> {
    let sql = text.value();
    if sql.trim().is_empty() {
        return Err(SqlRefusal::new("the SQL expression is empty").help("write a value, such as `TRUE` or a column"));
    }
    if sql.len() > LONGEST {
        return Err(SqlRefusal::new(format!("the SQL expression is longer than {LONGEST} bytes"))
            .help("compute the column in the export instead"));
    }
    let not_sql = |e: &dyn std::fmt::Display| {
        SqlRefusal::new(format!("`{}` is not a SQL expression: {e}", shorten(text.written())))
            .help("text stands in 'single quotes', column names with capitals or spaces in \"double quotes\"")
    };
    let tokens = Tokenizer::new(&Metered::new(0), sql).tokenize_with_location();
    let tokens = tokens.map_err(|e| not_sql(&ParserError::from(e)))?;
    nesting::check(tokens.iter().map(|t| &t.token))?;
    let dialect = Metered::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let tree = match parser.parse_expr() {
        Err(ParserError::RecursionLimitExceeded) => return Err(nesting::too_deep()),
        tree => tree.map_err(|e| not_sql(&e))?,
    };
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(not_sql(&format!("nothing is expected from `{}` on", rest.token)));
    }
    Ok(ParsedSql::of(tree, text))
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Visitor for Names {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr {
            self.0.insert(name.value.clone());
        }
        ControlFlow::Continue(())
    }
}

/// The beginning of a long text, for messages.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
