//! Writes, as Rust source, which fields messages have, and which of them are messages themselves.

use std::collections::BTreeMap;
use std::fmt::Write;

use protox::prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use protox::prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
};

/// By full name (`etcdserverpb.TxnRequest`): numbers of the sub-message fields with the full names
/// of what they hold.
type Fields = BTreeMap<String, BTreeMap<i32, String>>;

/// By full name: numbers of all fields with the wire types that they may have, a bit for each.
type Kinds = BTreeMap<String, BTreeMap<i32, u8>>;

/// The source of two constants, sorted by the messages' names: `MESSAGES` and `KINDS`.
///
/// A row of the first is the message's full name and its sub-message fields as (number, row of the
/// field's message); of the second, all fields as (number, wire types).
pub fn render(descriptors: &FileDescriptorSet) -> String {
    let (mut fields, mut kinds) = (Fields::new(), Kinds::new());
    for file in &descriptors.file {
        for message in &file.message_type {
            collect(file.package(), message, &mut fields, &mut kinds);
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
    source.push_str("];\n\nconst KINDS: &[&[(u32, u8)]] = &[\n");
    for kinds in kinds.values() {
        let pairs: Vec<String> = kinds.iter().map(|pair| format!("{pair:?}")).collect();
        writeln!(source, "    &[{}],", pairs.join(", ")).expect("writing to a string");
    }
    source.push_str("];\n");
    source
}

/// The wire types of a field. A list of numbers may come packed into bytes or one by one.
fn wire_types(field: &FieldDescriptorProto) -> u8 {
    let own = match field.r#type() {
        Type::Double | Type::Fixed64 | Type::Sfixed64 => 1 << 1,
        Type::String | Type::Bytes | Type::Message => 1 << 2,
        Type::Group => 1 << 3,
        Type::Float | Type::Fixed32 | Type::Sfixed32 => 1 << 5,
        _ => 1,
    };
    if field.label() == Label::Repeated { own | 1 << 2 } else { own }
}

fn collect(scope: &str, message: &DescriptorProto, fields: &mut Fields, kinds: &mut Kinds) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, fields, kinds);
    }
    let known = message.field.iter().map(|field| (field.number(), wire_types(field)));
    kinds.insert(name.clone(), known.collect());
    let sub_messages = message
        .field
        .iter()
        .filter(|field| field.r#type() == Type::Message)
        .map(|field| (field.number(), field.type_name().trim_start_matches('.').to_owned()))
        .collect();
    fields.insert(name, sub_messages);
}
