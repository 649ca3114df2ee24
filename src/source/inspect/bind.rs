//! Matches the mappings of a source with the columns that its files have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Fields};
use parquet::file::statistics::Statistics;

use super::activity::{self, Activity};
use super::fields::{self, Field};
use super::inspected::{InspectedFile, InspectedSource};
use super::layout::{ColumnOrigin, FieldInput, FileLayout, SqlInput};
use super::open::Opened;
use super::prune::Prune;
use crate::config::{Mapping, Pipeline, SourceKind, SourceSettings, Text};
use crate::error::Error;
use crate::nearest::{nearest, nearest_first};
use crate::source::InputFile;
use crate::source::columns::Class;
use crate::source::columns::ids::IdKind;
use crate::source::expression::{Compiled, ParsedSql, SqlRefusal, SqlType};
use crate::source::pages::FileColumn;
use crate::source_kind::{ColumnKind, Needs};

pub(super) struct Bound {
    pub source: InspectedSource,
    /// True if this source's customer ids are integers that fit BIGINT; `None` if it has no ids.
    pub integer_ids: Option<bool>,
}

/// The columns that one file offers.
struct Offer {
    columns: Vec<(String, DataType, ColumnOrigin)>,
}

pub(super) fn bind(
    pipeline: &Pipeline,
    source: &SourceSettings,
    opened: Vec<Opened>,
    needs: Needs,
    errors: &mut Vec<Error>,
) -> Option<Bound> {
    let before = errors.len();
    let offers = offers(&opened);
    let fields = fields::of(pipeline, source, needs, &activity::names(pipeline));
    let mut binder = Binder { pipeline, source, opened: &opened, offers: &offers, errors };
    let parsed: Vec<Option<ParsedSql>> = fields
        .iter()
        .map(|f| match &f.mapping {
            Mapping::Sql(sql) => binder.parse(sql, &f.name, &f.span),
            Mapping::Column(_) => None,
        })
        .collect();
    let filter = source.filter.as_ref().and_then(|f| binder.parse(&f.sql, "filter", &f.span));

    // Every column that a field or the filter names: where it is named first, and how the pipeline file writes it there.
    let mut named: BTreeMap<&str, (std::ops::Range<usize>, String)> = BTreeMap::new();
    let mut read: BTreeSet<&str> = BTreeSet::new();
    for (field, parsed) in fields.iter().zip(&parsed) {
        let (columns, text): (Vec<&str>, &Text) = match (&field.mapping, parsed) {
            (Mapping::Column(name), _) => (vec![name.value()], name),
            (Mapping::Sql(sql), Some(parsed)) => (parsed.columns().collect(), sql),
            _ => continue,
        };
        for column in columns {
            named.entry(column).or_insert_with(|| (field.span.clone(), text.hide(column)));
            if field.read {
                read.insert(column);
            }
        }
    }
    if let (Some(parsed), Some(filter)) = (&filter, &source.filter) {
        for column in parsed.columns() {
            named.entry(column).or_insert_with(|| (filter.span.clone(), filter.sql.hide(column)));
            read.insert(column);
        }
    }
    for (column, (span, written)) in &named {
        binder.present_and_alike(column, written, span);
    }
    if binder.errors.len() > before {
        // Types are checked once every column exists, so that one mistake is not reported twice.
        return None;
    }

    let columns: Vec<String> = read.iter().map(ToString::to_string).collect();
    let written = read.iter().filter_map(|column| Some(named.get(column)?.1.clone())).collect();
    let mut layouts: Vec<FileLayout> = vec![];
    let mut classes: Vec<Option<Class>> = vec![None; fields.len()];
    let mut places = vec![];
    for offer in &offers {
        let found: Vec<&(String, DataType, ColumnOrigin)> =
            columns.iter().filter_map(|c| offer.columns.iter().find(|(n, ..)| n == c)).collect();
        let types: Vec<DataType> = found.iter().map(|(_, t, _)| t.clone()).collect();
        let origins: Vec<ColumnOrigin> = found.iter().map(|(_, _, o)| o.clone()).collect();
        let layout = match layouts.iter().position(|l| l.types == types) {
            Some(i) => i,
            None => {
                let layout = binder.layout(offer, &columns, types, &fields, &parsed, filter.as_ref(), &mut classes);
                layouts.push(layout);
                layouts.len() - 1
            }
        };
        places.push((layout, origins));
    }
    let integer_ids = binder.integer_ids(&fields, &classes);
    let ids = integer_ids.map(|i| if i { IdKind::Integer } else { IdKind::Text });
    let activity = if source.kind == SourceKind::Transactions {
        activity::compile(pipeline, &fields, &classes, ids).unwrap_or_else(|e| {
            binder.errors.push(e);
            Activity::Positive
        })
    } else {
        Activity::Positive
    };
    if binder.errors.len() > before {
        return None;
    }
    let columns_of = |(file, (_, origins)): (&Opened, &(usize, Vec<ColumnOrigin>))| file_columns(file, origins);
    let file_columns = match opened.iter().zip(&places).map(columns_of).collect::<Result<Vec<_>, Error>>() {
        Ok(columns) => columns,
        Err(e) => {
            errors.push(e.at(&pipeline.file, Some(source.span.clone())));
            return None;
        }
    };
    let files = opened
        .into_iter()
        .zip(places)
        .zip(file_columns)
        .map(|((file, (layout, origins)), columns)| InspectedFile {
            input: InputFile {
                source: source.kind,
                path: file.found.path,
                shown: file.found.shown,
                bytes: file.state.bytes,
                modified: file.state.modified(),
                rows: file.footer.rows,
                footer_checksum: file.footer.checksum.clone(),
                verified: false,
            },
            footer: file.footer,
            state: file.state,
            kept: file.kept,
            layout,
            origins,
            columns,
        })
        .collect();
    Some(Bound { source: InspectedSource { files, columns, written, fields, layouts, activity }, integer_ids })
}

/// The columns of a file that are read, in order.
fn file_columns(file: &Opened, origins: &[ColumnOrigin]) -> Result<Vec<FileColumn>, Error> {
    let roots = origins.iter().filter_map(|origin| match origin {
        ColumnOrigin::File(root) => Some(*root),
        ColumnOrigin::Folder(_) | ColumnOrigin::TooDeep => None,
    });
    let roots: BTreeSet<usize> = roots.collect();
    let column = |root| {
        FileColumn::new(&file.footer, root).map_err(|what| {
            let name = file.footer.schema().field(root).name();
            Error::input(format!("column {name} of {} cannot be read: {what}", file.found.shown))
                .help("map another column, or have the export written again")
        })
    };
    roots.into_iter().map(column).collect()
}

/// The columns of each file and of the folders around it. A folder's values are integers if all of a source's are.
fn offers(opened: &[Opened]) -> Vec<Offer> {
    let mut integers: BTreeMap<&str, bool> = BTreeMap::new();
    for (key, value) in opened.iter().flat_map(|o| &o.found.keys) {
        let fits = value.as_ref().is_none_or(|v| v.parse::<i64>().is_ok());
        *integers.entry(key).or_insert(true) &= fits;
    }
    opened
        .iter()
        .map(|file| {
            let schema = file.footer.schema();
            let own = schema.fields().iter().enumerate();
            let mut columns: Vec<_> =
                own.map(|(i, f)| (f.name().clone(), f.data_type().clone(), ColumnOrigin::File(i))).collect();
            let nested = || DataType::Struct(Fields::empty());
            columns.extend(file.footer.too_deep.iter().map(|name| (name.clone(), nested(), ColumnOrigin::TooDeep)));
            for (key, value) in &file.found.keys {
                if !columns.iter().any(|(name, ..)| name == key) {
                    let kind = if integers[key.as_str()] { DataType::Int64 } else { DataType::Utf8View };
                    columns.push((key.clone(), kind, ColumnOrigin::Folder(value.clone())));
                }
            }
            Offer { columns }
        })
        .collect()
}

struct Binder<'a> {
    pipeline: &'a Pipeline,
    source: &'a SourceSettings,
    opened: &'a [Opened],
    offers: &'a [Offer],
    errors: &'a mut Vec<Error>,
}

impl Binder<'_> {
    /// Files of different layouts may have the same mistake, which is reported once.
    fn push(&mut self, error: Error, span: &std::ops::Range<usize>) {
        let error = error.at(&self.pipeline.file, Some(span.clone()));
        if !self.errors.iter().any(|e| e.what == error.what && e.place == error.place) {
            self.errors.push(error);
        }
    }

    fn refuse(&mut self, refusal: SqlRefusal, name: &str, span: &std::ops::Range<usize>) {
        let error = Error::pipeline(format!("sources.{}.{name}: {}", self.source.kind.name(), refusal.what));
        self.push(if let Some(help) = refusal.help { error.help(help) } else { error }, span);
    }

    fn parse(&mut self, sql: &Text, name: &str, span: &std::ops::Range<usize>) -> Option<ParsedSql> {
        ParsedSql::new(sql).map_err(|refusal| self.refuse(refusal, name, span)).ok()
    }

    /// Checks that every file has the column, with the same class of values.
    fn present_and_alike(&mut self, column: &str, written: &str, span: &std::ops::Range<usize>) {
        let find = |offer: &Offer| offer.columns.iter().find(|(n, ..)| n == column).map(|(_, t, _)| t.clone());
        let Some((first, kind)) = self.offers.iter().enumerate().find_map(|(i, o)| Some((i, find(o)?))) else {
            let names = || self.offers[0].columns.iter().map(|(n, ..)| n.as_str());
            // A name from the environment may be secret, so no similar name is suggested for it.
            let asked = if written == column { column } else { "" };
            let meant = nearest(asked, names()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            let files = match self.opened {
                [one] => one.found.shown.clone(),
                [one, rest @ ..] => format!("{} and {} more files", one.found.shown, rest.len()),
                [] => String::new(),
            };
            let error = Error::pipeline(format!("there is no column `{written}` in {files}{meant}"))
                .help(format!("the columns are {}", nearest_first(asked, names())));
            return self.push(error, span);
        };
        // A file in which the column has no values says nothing about its type, so the files are compared with another.
        let measure = self.offers.iter().enumerate().filter_map(|(i, o)| Some((i, find(o)?)));
        let (measure, class) = measure
            .map(|(i, t)| (i, Class::of(&t)))
            .find(|(_, c)| *c != Class::Null)
            .unwrap_or((first, Class::of(&kind)));
        let differs = self.offers.iter().enumerate().find_map(|(i, offer)| match find(offer) {
            None => Some((i, "missing".to_string())),
            Some(t) if !Class::of(&t).agrees(&class) => Some((i, Class::of(&t).name().to_string())),
            Some(_) => None,
        });
        if let Some((other, there)) = differs {
            let error = Error::input(format!(
                "two schemas in one source: column `{written}` is {} in {} and {there} in {}",
                class.name(),
                self.opened[measure].found.shown,
                self.opened[other].found.shown
            ))
            .help("list the files of one schema in `path`, or have the others exported again");
            self.push(error, span);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one source, each needed once")]
    fn layout(
        &mut self,
        offer: &Offer,
        columns: &[String],
        types: Vec<DataType>,
        fields: &[Field],
        parsed: &[Option<ParsedSql>],
        parsed_filter: Option<&ParsedSql>,
        classes: &mut [Option<Class>],
    ) -> FileLayout {
        let available: Vec<(String, Option<SqlType>)> =
            offer.columns.iter().map(|(n, t, _)| (n.clone(), SqlType::of_column(t))).collect();
        let compile = |binder: &mut Self, parsed: &ParsedSql, name: &str, span: &std::ops::Range<usize>| {
            let compiled = Compiled::new(parsed, &available, &binder.source.timezone);
            let compiled = compiled.map_err(|refusal| binder.refuse(refusal, name, span)).ok()?;
            let named = available.iter().filter(|(n, k)| k.is_some() && parsed.columns().any(|c| c == n));
            let inputs = named.filter_map(|(n, _)| columns.iter().position(|c| c == n)).collect();
            Some(SqlInput { compiled, columns: inputs })
        };
        let mut inputs = vec![];
        for (i, field) in fields.iter().enumerate() {
            let (class, input) = match (&field.mapping, &parsed[i]) {
                (Mapping::Column(name), _) => {
                    let class = offer.columns.iter().find(|(n, ..)| n == name.value()).map(|(_, t, _)| Class::of(t));
                    let index = columns.iter().position(|c| c == name.value());
                    (class, index.map_or(FieldInput::Unread, FieldInput::Column))
                }
                (_, Some(parsed)) => match compile(self, parsed, &field.name, &field.span) {
                    Some(sql) => (Some(fields::class_of(sql.compiled.kind())), FieldInput::Sql(sql)),
                    None => (None, FieldInput::Unread),
                },
                _ => (None, FieldInput::Unread),
            };
            if let Some(class) = class {
                if let Err(e) = field.accepts(&class, self.source.kind) {
                    self.push(e, &field.span);
                }
                // The class of a field is that of the first file that has values in it.
                if matches!(classes[i], None | Some(Class::Null)) {
                    classes[i] = Some(class);
                }
            }
            inputs.push(if field.read { input } else { FieldInput::Unread });
        }
        let filter = match (parsed_filter, &self.source.filter) {
            (Some(parsed), Some(written)) => {
                let sql = compile(self, parsed, "filter", &written.span);
                if let Some(kind) = sql.as_ref().map(|s| s.compiled.kind())
                    && !matches!(kind, SqlType::Bool | SqlType::Null)
                {
                    let what =
                        format!("sources.{}.filter is a {}, not a condition", self.source.kind.name(), kind.name());
                    let error = Error::pipeline(what).help("write a comparison, such as \"Quantity\" > 0");
                    self.push(error, &written.span.clone());
                }
                sql
            }
            _ => None,
        };
        let prune = filter.as_ref().and(parsed_filter);
        let prune = prune.and_then(|p| Prune::new(p, &available, columns, &self.source.timezone));
        FileLayout { types, filter, prune, inputs }
    }

    /// True if the source's customer ids are whole numbers that fit BIGINT. Types decide, and for unsigned 64-bit integers
    /// the statistics in the footers.
    fn integer_ids(&self, fields: &[Field], classes: &[Option<Class>]) -> Option<bool> {
        let index = fields.iter().position(|f| f.kind == ColumnKind::CustomerId)?;
        if classes[index] == Some(Class::Null) {
            return None;
        }
        if classes[index] != Some(Class::Integer) {
            return Some(false);
        }
        let Mapping::Column(name) = &fields[index].mapping else { return Some(true) };
        let fits = |(file, offer): (&Opened, &Offer)| {
            let found = offer.columns.iter().find(|(n, ..)| n == name.value());
            match found {
                Some((_, DataType::UInt64, ColumnOrigin::File(root))) => unsigned_fit(file, *root),
                _ => true,
            }
        };
        Some(self.opened.iter().zip(self.offers).all(fits))
    }
}

fn unsigned_fit(file: &Opened, root: usize) -> bool {
    let metadata: &Arc<_> = file.footer.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let Some(leaf) = (0..schema.num_columns()).find(|c| schema.get_column_root_idx(*c) == root) else { return false };
    metadata.row_groups().iter().all(|group| {
        group.num_rows() == 0
            || match group.column(leaf).statistics() {
                // An unsigned maximum that is not negative as a signed number fits.
                Some(known @ Statistics::Int64(s)) => {
                    !known.is_min_max_deprecated() && s.max_opt().is_some_and(|m| *m >= 0)
                }
                _ => false,
            }
    })
}
