//! The SQL dialect that expressions are read in, with a limit on the parser's work.
//!
//! Where the parser fails inside `CAST(`, `CASE` or the like, it goes back and reads the word as a plain name. Within one
//! another each of them doubles the work, so that fifty of them never end. The parser asks its dialect at the start of
//! every operand; this dialect counts the questions and ends the work at a number that no expression without such
//! failures reaches.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::parser::{Parser, ParserError};

/// How often the parser may begin an operand, for each token of the text.
const ATTEMPTS_A_TOKEN: usize = 8;

/// sqlparser's general dialect, ended after a number of steps.
#[derive(Debug)]
pub(super) struct Metered {
    attempts_left: Cell<usize>,
}

impl Metered {
    /// `tokens`: of the text that is to be parsed.
    pub(super) fn new(tokens: usize) -> Metered {
        Metered { attempts_left: Cell::new(tokens.saturating_add(1).saturating_mul(ATTEMPTS_A_TOKEN)) }
    }
}

/// Settings of the general dialect that change how an expression is read.
macro_rules! as_the_general_dialect {
    ($($setting:ident),* $(,)?) => {$(
        fn $setting(&self) -> bool {
            GenericDialect.$setting()
        }
    )*};
}

impl Dialect for Metered {
    /// The parser treats it as the general dialect wherever it asks for the kind.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let left = self.attempts_left.get();
        if left == 0 {
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        self.attempts_left.set(left - 1);
        None
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        GenericDialect.is_delimited_identifier_start(letter)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        GenericDialect.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        GenericDialect.is_identifier_part(letter)
    }

    as_the_general_dialect!(
        allow_extract_custom,
        allow_extract_single_quotes,
        support_map_literal_syntax,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_data_type_signed_suffix,
        supports_dictionary_syntax,
        supports_extract_comma_syntax,
        supports_filter_during_aggregation,
        supports_interval_options,
        supports_match_against,
        supports_multiline_comment_hints,
        supports_named_fn_args_with_assignment_operator,
        supports_nested_comments,
        supports_quote_delimited_string,
        supports_string_escape_constant,
        supports_struct_literal,
        supports_try_convert,
        supports_unicode_string_literal,
        supports_window_function_null_treatment_arg,
        supports_xml_expressions,
    );
}
