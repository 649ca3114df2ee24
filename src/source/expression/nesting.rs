//! Counts how deep a text nests, over its tokens, before anything walks it recursively.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Word};

use super::SqlRefusal;

/// How many brackets, CASEs and signs may stand within one another. The parser gives up at 50 levels of its own, of which
/// a bracket behind a sign takes two.
pub(super) const DEEPEST: usize = 24;

/// How many tokens may follow one another between brackets, commas, ANDs and ORs: a chain such as `a + b + c` is a tree as
/// deep as it is long, and trees are walked recursively.
const LONGEST_CHAIN: usize = 200;

/// # Errors
/// The text nests deeper than [`DEEPEST`], or has a subquery, which is refused before it is parsed.
pub(super) fn check<'a>(tokens: impl Iterator<Item = &'a Token>) -> Result<(), SqlRefusal> {
    let mut levels = Levels::default();
    for token in tokens.filter(|t| !matches!(t, Token::Whitespace(_))) {
        levels.take(token)?;
        if levels.depth() > DEEPEST || levels.chain > LONGEST_CHAIN {
            return Err(too_deep());
        }
    }
    Ok(())
}

/// The refusal of an expression whose parts stand too deep within one another.
pub(super) fn too_deep() -> SqlRefusal {
    SqlRefusal::new(format!("the expression nests deeper than {DEEPEST} levels"))
        .help("compute part of it in the export")
}

/// The refusal of a query within an expression.
pub(super) fn subquery() -> SqlRefusal {
    SqlRefusal::new("a subquery is not allowed: an expression sees one row of one source")
        .help("join in the export, and map the joined column")
}

#[derive(Default)]
struct Levels {
    /// What each open bracket or CASE adds: itself and the signs before it.
    open: Vec<usize>,
    depth: usize,
    /// Signs, NOTs and the like in a row, each within the one before it.
    prefixes: usize,
    /// Tokens of the present level since the last that ends a chain, and those of the levels around it.
    chain: usize,
    chains: Vec<usize>,
    /// The word before, if it begins a type that nests between `<` and `>`.
    generic: bool,
}

impl Levels {
    fn depth(&self) -> usize {
        self.depth + self.prefixes
    }

    fn take(&mut self, token: &Token) -> Result<(), SqlRefusal> {
        let generic = std::mem::take(&mut self.generic);
        self.chain += 1;
        match token {
            Token::Comma => (self.prefixes, self.chain) = (0, 0),
            Token::LParen | Token::LBracket | Token::LBrace => self.open(),
            Token::RParen | Token::RBracket | Token::RBrace => self.close(),
            Token::Lt if generic => self.open(),
            Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => self.prefixes += 1,
            Token::Word(Word { quote_style: None, keyword, .. }) => match keyword {
                Keyword::CASE => self.open(),
                Keyword::END => self.close(),
                Keyword::NOT | Keyword::INTERVAL => self.prefixes += 1,
                Keyword::AND | Keyword::OR | Keyword::WHEN | Keyword::THEN | Keyword::ELSE => {
                    (self.prefixes, self.chain) = (0, 0);
                }
                Keyword::SELECT => return Err(subquery()),
                other => {
                    self.generic = matches!(other, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP);
                    self.prefixes = 0;
                }
            },
            _ => self.prefixes = 0,
        }
        Ok(())
    }

    fn open(&mut self) {
        let added = self.prefixes + 1;
        self.prefixes = 0;
        self.open.push(added);
        self.chains.push(std::mem::take(&mut self.chain));
        self.depth += added;
    }

    fn close(&mut self) {
        self.prefixes = 0;
        self.depth -= self.open.pop().unwrap_or(0);
        self.chain = self.chains.pop().unwrap_or(self.chain);
    }
}
