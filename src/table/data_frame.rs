//! Tables as Polars data frames.
//!
//! Cells are copied once, column by column, into Polars' own layout. Texts are copied once a distinct text: rows that say
//! the same share its bytes (Utf8View).

use polars::prelude::{
    BooleanChunked, ChunkedArray, Column, DataFrame, Float64Chunked, Int32Chunked, Int64Chunked, Int128Chunked,
    IntoSeries, NewChunkedArray, PlSmallStr, PolarsResult, Series, StringChunked,
};
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;

use super::{Table, TextColumn, Values};
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::{self, MAX_MINOR, PRECISION};

/// Bytes of texts in one buffer, at most: views hold offsets of 32 bits.
const BUFFER: usize = i32::MAX as usize;

impl Table {
    /// The table as a Polars data frame of the same rows and columns; NULL stays NULL.
    ///
    /// | column | type in Polars |
    /// |---|---|
    /// | [`Type::Text`](super::Type::Text), ids that are texts | `String` |
    /// | [`Type::Int`](super::Type::Int), ids that are integers | `Int64` |
    /// | [`Type::Double`](super::Type::Double) | `Float64` |
    /// | [`Type::Date`](super::Type::Date) | `Date` |
    /// | [`Type::Bool`](super::Type::Bool) | `Boolean` |
    /// | [`Type::Money`](super::Type::Money) | `Decimal(18, digits)`, in major units |
    ///
    /// `digits`: digits of money after the point, `money.digits` of the pipeline.
    ///
    /// # Errors
    /// Input: an amount is beyond DECIMAL(18, `digits`). Internal: Polars refuses the columns, for instance because two
    /// have the same name.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use polars::prelude::{AnyValue, DataType};
    /// use tenure::table::{Cell, Table, TableSchema, Type, column};
    ///
    /// let schema = TableSchema {
    ///     name: "revenue".into(),
    ///     doc: "One row a plan".into(),
    ///     key: 1,
    ///     columns: vec![
    ///         column("plan", Type::Text, "name of the plan"),
    ///         column("mrr", Type::Money, "monthly recurring revenue; NULL while the period is not over"),
    ///     ],
    /// };
    /// let mut table = Table::empty(Arc::new(schema), false);
    /// table.push(["basic".into(), Cell::Money(125_000)]);
    /// table.push(["pro".into(), Cell::Null]);
    ///
    /// let frame = table.to_polars(2)?;
    /// assert_eq!(frame.shape(), (2, 2));
    /// assert_eq!(frame.column("mrr").unwrap().dtype(), &DataType::Decimal(18, 2));
    /// assert_eq!(frame.column("mrr").unwrap().get(0).unwrap().to_string(), "1250.00");
    /// assert_eq!(frame.column("mrr").unwrap().get(1).unwrap(), AnyValue::Null);
    /// # Ok::<(), tenure::error::Error>(())
    /// ```
    pub fn to_polars(&self, digits: u8) -> Result<DataFrame> {
        let name = &self.schema.name;
        let refused = |e| Error::internal(format!("table {name} cannot become a data frame")).because(e);
        let mut columns = vec![];
        for (spec, values) in self.schema.columns.iter().zip(&self.columns) {
            if let Values::Money(amounts) = values
                && let Some(most) = amounts.iter().flatten().find(|m| m.unsigned_abs() > MAX_MINOR as u64)
            {
                let amount = money::format((*most).into(), digits);
                return Err(Error::input(format!(
                    "column {name}.{} cannot hold {amount}: it is DECIMAL({PRECISION},{digits})",
                    spec.name
                ))
                .help("look for outliers among the amounts of the exports, or lower `digits` in [money]"));
            }
            let series = series(PlSmallStr::from_str(&spec.name), values, digits).map_err(refused)?;
            columns.push(Column::from(series));
        }
        DataFrame::new(self.rows(), columns).map_err(refused)
    }
}

fn series(name: PlSmallStr, values: &Values, digits: u8) -> PolarsResult<Series> {
    Ok(match values {
        Values::Text(texts) => StringChunked::with_chunk(name, views(texts)?).into_series(),
        Values::Int(v) => Int64Chunked::from_slice_options(name, v).into_series(),
        Values::Double(v) => Float64Chunked::from_slice_options(name, v).into_series(),
        Values::Date(v) => {
            // `NEVER` is how a tally spells the absence of a date.
            let days = v.iter().map(|day| day.filter(|day| *day != Day::NEVER).map(|day| day.0));
            Int32Chunked::from_iter_options(name, days).into_date().into_series()
        }
        Values::Bool(v) => BooleanChunked::from_slice_options(name, v).into_series(),
        Values::Money(v) => {
            let units: Int128Chunked = ChunkedArray::from_iter_options(name, v.iter().map(|m| m.map(i128::from)));
            units.into_decimal(PRECISION.into(), digits.into())?.into_series()
        }
    })
}

/// The texts as views into buffers that hold each kept text once.
fn views(texts: &TextColumn) -> PolarsResult<Utf8ViewArray> {
    let (mut buffers, mut buffer) = (vec![], Vec::<u8>::new());
    let words = (0..texts.words() as u32).map(|code| {
        let word = texts.word(code).as_bytes();
        if buffer.len() + word.len() > BUFFER {
            buffers.push(std::mem::take(&mut buffer));
        }
        let view = View::new_from_bytes(word, buffers.len() as u32, buffer.len() as u32);
        if !view.is_inline() {
            buffer.extend_from_slice(word);
        }
        view
    });
    let words: Vec<View> = words.collect();
    buffers.push(buffer);
    // Rows without a text have a code that is none of a text's.
    let word = |code: &u32| words.get(*code as usize).copied();
    let rows: Vec<View> = texts.codes().iter().map(|code| word(code).unwrap_or_default()).collect();
    let known: Bitmap = texts.codes().iter().map(|code| word(code).is_some()).collect();
    let buffers = buffers.into_iter().map(Into::into).collect();
    Utf8ViewArray::try_new(ArrowDataType::Utf8View, rows.into(), buffers, Some(known))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use polars::prelude::{AnyValue, DataType};

    use super::*;
    use crate::error::ErrorKind;
    use crate::table::{TableSchema, Type, column};

    fn table(columns: Vec<(Type, Values)>) -> Table {
        let specs = columns.iter().enumerate().map(|(i, (kind, _))| column(format!("c{i}"), *kind, "")).collect();
        let schema = TableSchema { name: "t".into(), doc: String::new(), key: 0, columns: specs };
        Table { schema: Arc::new(schema), columns: columns.into_iter().map(|(_, values)| values).collect() }
    }

    #[test]
    fn every_cell_of_every_type_is_in_the_frame() {
        let long = "longer than the twelve bytes that a view holds inline: Zoë, 日本語";
        let texts = [Some("new"), None, Some(long), Some(""), Some(long), Some("new")];
        let ints = [Some(i64::MIN), None, Some(0), Some(i64::MAX), Some(-1), Some(7)];
        let doubles = [Some(-0.0), None, Some(f64::MAX), Some(5e-324), Some(0.1), Some(-1.5)];
        let days = [Some(Day(0)), None, Some(Day::EARLIEST), Some(Day::LATEST), Some(Day::NEVER), Some(Day(15_000))];
        let flags = [Some(true), None, Some(false), Some(true), Some(false), None];
        let most = MAX_MINOR as i64;
        let money = [Some(most), None, Some(-most), Some(0), Some(1), Some(-5)];
        let frame = table(vec![
            (Type::Text, Values::Text(texts.into_iter().collect())),
            (Type::CustomerId, Values::Int(ints.to_vec())),
            (Type::Double, Values::Double(doubles.to_vec())),
            (Type::Date, Values::Date(days.to_vec())),
            (Type::Bool, Values::Bool(flags.to_vec())),
            (Type::Money, Values::Money(money.to_vec())),
        ])
        .to_polars(3)
        .unwrap();
        use DataType::{Boolean, Date, Decimal, Float64, Int64, String};
        assert_eq!(frame.dtypes(), [String, Int64, Float64, Date, Boolean, Decimal(18, 3)]);
        assert_eq!(frame.height(), 6);
        for row in 0..6 {
            let cell = |column: usize| frame.columns()[column].get(row).unwrap();
            let expected = |value: Option<AnyValue<'static>>| value.unwrap_or(AnyValue::Null);
            assert_eq!(cell(0).get_str(), texts[row]);
            assert_eq!(cell(1), expected(ints[row].map(AnyValue::Int64)));
            assert_eq!(cell(2), expected(doubles[row].map(AnyValue::Float64)));
            assert_eq!(cell(3), expected(days[row].filter(|d| *d != Day::NEVER).map(|d| AnyValue::Date(d.0))));
            assert_eq!(cell(4), expected(flags[row].map(AnyValue::Boolean)));
            assert_eq!(cell(5), expected(money[row].map(|m| AnyValue::Decimal(m.into(), 18, 3))));
        }
        let zero = frame.columns()[2].f64().unwrap().get(0).unwrap();
        assert!(zero == 0.0 && zero.is_sign_negative(), "the sign of zero");
    }

    #[test]
    fn an_empty_table_is_a_frame_with_its_columns() {
        let empty =
            table(vec![(Type::Text, Values::Text(TextColumn::default())), (Type::Money, Values::Money(vec![]))]);
        let frame = empty.to_polars(2).unwrap();
        assert_eq!((frame.shape(), frame.dtypes()), ((0, 2), vec![DataType::String, DataType::Decimal(18, 2)]));
    }

    #[test]
    fn money_beyond_decimal_18_is_an_error() {
        for units in [MAX_MINOR as i64 + 1, i64::MIN] {
            let e = table(vec![(Type::Money, Values::Money(vec![Some(units)]))]).to_polars(2).unwrap_err();
            assert!(e.kind == ErrorKind::Input && e.what.contains("t.c0") && e.help.is_some(), "{}", e.what);
        }
    }
}
