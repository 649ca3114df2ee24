//! Checks that the Arrow schema in a footer does not become much larger when it is decoded.
//!
//! The schema is a flatbuffer, whose parts may be shared: a thousand fields may share one name of a megabyte, and each gets
//! its own copy when it is decoded. The crate allows two gigabytes. Here a schema that grows too much is ignored, as a broken
//! one is, and Parquet's own types say what the columns are.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flatbuffers::VerifierOptions;
use parquet::file::metadata::ParquetMetaData;

/// How many times larger it may become. Writers share the layouts of equal tables, and nothing else.
const GROWTH: usize = 8;

/// Whether the footer has no Arrow schema, or one that is about as large as its bytes.
pub(super) fn is_modest(metadata: &ParquetMetaData) -> bool {
    let pairs = metadata.file_metadata().key_value_metadata();
    let mut schemas = pairs.into_iter().flatten().filter(|pair| pair.key == "ARROW:schema");
    schemas.all(|pair| pair.value.as_ref().is_none_or(|encoded| is_modest_schema(encoded)))
}

fn is_modest_schema(encoded: &str) -> bool {
    let Ok(bytes) = BASE64_STANDARD.decode(encoded) else { return false };
    // Newer writers put a mark and a length in front.
    let message = if bytes.starts_with(&[0xFF; 4]) { bytes.get(8..).unwrap_or_default() } else { &bytes[..] };
    let options = VerifierOptions {
        max_apparent_size: GROWTH * message.len() + 4096,
        max_tables: message.len() + 1,
        ..VerifierOptions::default()
    };
    arrow_ipc::root_as_message_with_opts(&options, message).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow_ipc::{
        FieldArgs, Message, MessageArgs, MessageHeader, MetadataVersion, Null, NullArgs, SchemaArgs, Type,
    };
    use flatbuffers::FlatBufferBuilder;
    use parquet::arrow::encode_arrow_schema;

    #[test]
    fn schemas_that_writers_write_are_modest() {
        for columns in [0, 1, 10, 3000] {
            let fields: Vec<Field> = (0..columns)
                .map(|i| {
                    let inner = Field::new("item", DataType::Utf8, true);
                    Field::new(
                        format!("c{i}"),
                        if i % 2 == 0 { DataType::Int64 } else { DataType::new_list(inner.data_type().clone(), true) },
                        true,
                    )
                })
                .collect();
            let metadata = HashMap::from([("pandas".to_owned(), "x".repeat(100 * columns))]);
            assert!(is_modest_schema(&encode_arrow_schema(&Schema::new(fields).with_metadata(metadata))), "{columns}");
        }
    }

    #[test]
    fn a_name_that_many_fields_share_is_not_modest() {
        let mut builder = FlatBufferBuilder::new();
        let name = builder.create_string(&"n".repeat(100_000));
        let null = Null::create(&mut builder, &NullArgs {}).as_union_value();
        let none = builder.create_vector::<flatbuffers::WIPOffset<arrow_ipc::Field<'_>>>(&[]);
        let field = arrow_ipc::Field::create(
            &mut builder,
            &FieldArgs {
                name: Some(name),
                nullable: true,
                type_type: Type::Null,
                type_: Some(null),
                children: Some(none),
                ..FieldArgs::default()
            },
        );
        let fields = builder.create_vector(&vec![field; 1000]);
        let schema =
            arrow_ipc::Schema::create(&mut builder, &SchemaArgs { fields: Some(fields), ..SchemaArgs::default() });
        let message = MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::Schema,
            header: Some(schema.as_union_value()),
            ..MessageArgs::default()
        };
        let message = Message::create(&mut builder, &message);
        builder.finish(message, None);
        let bytes = builder.finished_data();
        assert!(arrow_ipc::root_as_message(bytes).is_ok(), "the crate would take it");
        assert!(!is_modest_schema(&BASE64_STANDARD.encode(bytes)));
        assert!(!is_modest_schema("no base 64!") && !is_modest_schema(""));
    }
}
