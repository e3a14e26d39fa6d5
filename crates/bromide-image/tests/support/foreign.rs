//! Scatter files and `mtdparts=` read without any code of ours: `saphyr-parser` for the text, `roxmltree` for the XML.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A scatter file of either writing.
#[derive(Default)]
pub(crate) struct Document {
    /// Keys of the general part, `config_version` first.
    pub(crate) header: Vec<(String, String)>,
    /// Whether every flash has a section.
    pub(crate) nested: bool,
    /// The keys of each section's own header.
    pub(crate) sections: Vec<Vec<String>>,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) struct Entry {
    /// The `storage_type` it stands in.
    pub(crate) section: Option<String>,
    pub(crate) keys: Vec<(String, String)>,
}

impl Entry {
    pub(crate) fn get(&self, key: &str) -> &str {
        let mut found = self.keys.iter().filter(|it| it.0 == key);
        let value = &found.next().unwrap_or_else(|| panic!("no {key} in {:?}", self.keys)).1;
        assert!(found.next().is_none(), "{key} twice in {:?}", self.keys);
        value
    }
}

/// A YAML tree whose scalars keep their characters.
enum Node {
    /// Nothing where it is other than a plain scalar: quoted, with an anchor or a tag, a block.
    Scalar(Option<String>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Alias,
}

impl Node {
    fn text(&self) -> &str {
        match self {
            Self::Scalar(Some(text)) => text,
            _ => panic!("no plain scalar"),
        }
    }

    fn list(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { panic!("no list") }
    }

    fn pairs(&self) -> Vec<(&str, &Self)> {
        let Self::Map(pairs) = self else { panic!("no mapping") };
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.text(), value)).collect();
        for (at, (key, _)) in pairs.iter().enumerate() {
            assert!(pairs[..at].iter().all(|it| it.0 != *key), "{key} twice in a mapping");
        }
        pairs
    }

    fn get(&self, key: &str) -> &Self {
        self.pairs().into_iter().find(|it| it.0 == key).unwrap_or_else(|| panic!("no {key}")).1
    }

    fn texts(&self) -> Vec<(String, String)> {
        self.pairs().iter().map(|(key, value)| ((*key).to_owned(), value.text().to_owned())).collect()
    }
}

/// The tree of the one document in a text.
fn tree(text: &str) -> Result<Node, String> {
    let mut open: Vec<(bool, Vec<Node>)> = Vec::new();
    let mut done: Vec<Node> = Vec::new();
    for event in Parser::new_from_str(text) {
        let node = match event.map_err(|error| error.to_string())?.0 {
            Event::SequenceStart(..) => {
                open.push((false, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (is_map, items) = open.pop().unwrap();
                if is_map { Node::Map(in_pairs(items)) } else { Node::List(items) }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && anchor == 0 && tag.is_none();
                Node::Scalar(plain.then(|| text.into_owned()))
            }
            Event::Alias(_) => Node::Alias,
            _ => continue,
        };
        open.last_mut().map_or(&mut done, |it| &mut it.1).push(node);
    }
    match (done.pop(), done.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err("not one document".to_owned()),
    }
}

fn in_pairs(items: Vec<Node>) -> Vec<(Node, Node)> {
    let mut pairs = Vec::new();
    let mut items = items.into_iter();
    while let Some(key) = items.next() {
        pairs.push((key, items.next().unwrap()));
    }
    pairs
}

/// What YAML takes for the value of `key: VALUE`, where that is a plain scalar.
pub(crate) fn plain_value(value: &str) -> Option<String> {
    let Ok(Node::Map(pairs)) = tree(&format!("key: {value}\n")) else { return None };
    match pairs.as_slice() {
        [(_, Node::Scalar(text))] => text.clone(),
        _ => None,
    }
}

/// YAML-like scatter text by a YAML parser.
pub(crate) fn yaml(text: &str) -> Document {
    let tree = tree(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut document = Document::default();
    for item in tree.list() {
        match item.pairs()[0].0 {
            "general" => {
                assert_eq!(item.get("general").text(), "MTK_PLATFORM_CFG");
                let [info] = item.get("info").list() else { panic!("one info") };
                document.header = info.texts();
            }
            "storage_type" => {
                document.nested = true;
                let name = item.get("storage_type").text();
                for item in item.get("description").list() {
                    if item.pairs()[0].0 == "general" {
                        let [info] = item.get("info").list() else { panic!("one info") };
                        assert_eq!(info.get("storage").text(), name);
                        document.sections.push(info.texts().into_iter().map(|it| it.0).collect());
                    } else {
                        document.entries.push(Entry { section: Some(name.to_owned()), keys: item.texts() });
                    }
                }
            }
            "partition_index" => document.entries.push(Entry { section: None, keys: item.texts() }),
            other => panic!("a list item that begins with {other}"),
        }
    }
    document
}

type Element<'a> = roxmltree::Node<'a, 'a>;

fn elements<'a>(of: Element<'a>) -> impl Iterator<Item = Element<'a>> {
    of.children().filter(Element::is_element)
}

fn texts(of: Element<'_>) -> impl Iterator<Item = (String, String)> {
    elements(of).map(|it| (it.tag_name().name().to_owned(), it.text().unwrap_or_default().to_owned()))
}

fn named(of: Element<'_>) -> String {
    of.attribute("name").unwrap_or_else(|| panic!("{of:?} has no name")).to_owned()
}

fn entry(of: Element<'_>, section: Option<String>) -> Entry {
    let index = ("partition_index".to_owned(), named(of));
    Entry { section, keys: [index].into_iter().chain(texts(of)).collect() }
}

/// XML scatter file by an XML parser.
pub(crate) fn xml(text: &str) -> Document {
    let tree = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut document = Document::default();
    assert_eq!(tree.root_element().tag_name().name(), "root");
    for item in elements(tree.root_element()) {
        match item.tag_name().name() {
            "general" => {
                assert_eq!(named(item), "MTK_PLATFORM_CFG");
                let version = elements(item).next().unwrap();
                document.header.push(("config_version".to_owned(), named(version)));
                document.header.extend(texts(version));
            }
            "storage_type" => {
                document.nested = true;
                let name = named(item);
                for item in elements(item) {
                    if item.tag_name().name() == "general" {
                        let storage = elements(item).next().unwrap();
                        assert_eq!((storage.tag_name().name(), named(storage)), ("storage", name.clone()));
                        let keys = texts(storage).map(|it| it.0);
                        document.sections.push(["storage".to_owned()].into_iter().chain(keys).collect());
                    } else {
                        document.entries.push(entry(item, Some(name.clone())));
                    }
                }
            }
            "partition_index" => document.entries.push(entry(item, None)),
            other => panic!("an element {other}"),
        }
    }
    document
}

/// `mtdparts=` by the grammar of the kernel's documentation: name, start, size (none: the rest) of each partition.
pub(crate) fn mtdparts(text: &str) -> Vec<(String, u64, Option<u64>)> {
    let mut rest = text.strip_prefix("mtdparts=").unwrap().strip_suffix('\n').unwrap();
    let mut found = Vec::new();
    while let Some((id, after)) = rest.split_once(':') {
        assert_eq!(id.trim(), id);
        (rest, found) = device(after, found);
    }
    assert_eq!(rest, "");
    found
}

type Parts = Vec<(String, u64, Option<u64>)>;

fn device(mut rest: &str, mut found: Parts) -> (&str, Parts) {
    let mut next = Some(0);
    loop {
        let (place, after) = rest.split_once('(').unwrap();
        let (size, at) = place.split_once('@').map_or((place, None), |(size, at)| (size, Some(at)));
        let start = at.map(number).or(next).expect("nothing follows one that takes the rest");
        let size = (size != "-").then(|| number(size));
        let (name, after) = after.split_once(')').unwrap();
        found.push((name.to_owned(), start, size));
        next = size.map(|size| start + size);
        let after = after.strip_prefix("ro").unwrap_or(after);
        let after = after.strip_prefix("lk").unwrap_or(after);
        match after.split_at_checked(1) {
            Some((",", after)) => rest = after,
            Some((";", after)) => return (after, found),
            Some((other, _)) => panic!("{other} behind {name}"),
            None => return ("", found),
        }
    }
}

fn number(text: &str) -> u64 {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let value = digits.strip_prefix("0x").map_or_else(|| digits.parse(), |hex| u64::from_str_radix(hex, 16));
    value.unwrap_or_else(|_| panic!("{text} is no number")) * unit
}
