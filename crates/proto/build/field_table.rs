//! Writes, as Rust source, which fields of which messages are messages themselves.

use std::collections::BTreeMap;
use std::fmt::Write;

use protox::prost_reflect::prost_types::field_descriptor_proto::Type;
use protox::prost_reflect::prost_types::{DescriptorProto, FileDescriptorSet};

/// By full name (`etcdserverpb.TxnRequest`): numbers of the sub-message fields with the full names
/// of what they hold.
type Fields = BTreeMap<String, BTreeMap<i32, String>>;

/// The source of a constant `MESSAGES`, sorted by name.
///
/// A row is the message's full name and its sub-message fields as (number, row of the field's
/// message).
pub fn render(descriptors: &FileDescriptorSet) -> String {
    let mut fields = Fields::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            collect(file.package(), message, &mut fields);
        }
    }
    let mut source = String::from("const MESSAGES: &[(&str, &[(u32, usize)])] = &[\n");
    for (name, sub_messages) in &fields {
        write!(source, "    ({name:?}, &[").expect("writing to a string");
        for (number, held) in sub_messages {
            let row = fields.keys().position(|other| other == held).expect("a known message");
            write!(source, "({number}, {row}),").expect("writing to a string");
        }
        source.push_str("]),\n");
    }
    source.push_str("];\n");
    source
}

fn collect(scope: &str, message: &DescriptorProto, fields: &mut Fields) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, fields);
    }
    let sub_messages = message
        .field
        .iter()
        .filter(|field| field.r#type() == Type::Message)
        .map(|field| (field.number(), field.type_name().trim_start_matches('.').to_owned()))
        .collect();
    fields.insert(name, sub_messages);
}
