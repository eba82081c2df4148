use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use jiff::Timestamp;
use proptest::{collection, prelude::*};
use serde::de::IgnoredAny;
use serde_bytes::ByteBuf;

use super::*;
use crate::{
    ErrorKind,
    kv::{Key, Version, tests::values},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    small: (i8, u8, i16, u16, i32, u32),
    long: i64,
    natural: u64,
    huge: i128,
    single: f32,
    double: f64,
    letter: char,
    text: String,
    bytes: ByteBuf,
    shared: Bytes,
    unit: (),
    nothing: Nothing,
    newtype: Meters,
    pair: Pair,
    maybe: Option<String>,
    list: Vec<Kind>,
    by_text: BTreeMap<String, u8>,
    by_int: HashMap<i16, Option<bool>>,
    by_letter: BTreeMap<char, u8>,
    by_bool: BTreeMap<bool, u8>,
    by_variant: BTreeMap<Color, Meters>,
    tagged: Tagged,
    untagged: Vec<Untagged>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Meters(u32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(i32, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Color {
    Red,
    Green,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Newtype(Option<i32>),
    Tuple(u8, String),
    Struct { x: f64, color: Color },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Tagged {
    Point { x: i32, y: f32 },
    Empty,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Int(i64),
    Text(String),
    List(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rest {
    extra: i32,
    ratio: f64,
}

fn doubles() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("out of range", |it| Number::try_from(*it).is_ok())
}

fn singles() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("not finite", |it| it.is_finite())
}

fn kinds() -> impl Strategy<Value = Kind> {
    let color = prop_oneof![Just(Color::Red), Just(Color::Green)];
    prop_oneof![
        Just(Kind::Unit),
        any::<Option<i32>>().prop_map(Kind::Newtype),
        any::<(u8, String)>().prop_map(|(a, b)| Kind::Tuple(a, b)),
        (doubles(), color).prop_map(|(x, color)| Kind::Struct { x, color }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let bytes = || collection::vec(any::<u8>(), 0..9);
    let scalars = (
        any::<(bool, (i8, u8, i16, u16, i32, u32), i64, char, String, Option<String>)>(),
        0..=i64::MAX.cast_unsigned(),
        singles(),
        doubles(),
    );
    let compounds = (
        bytes(),
        bytes(),
        any::<(u32, i32, String, i32)>(),
        collection::vec(kinds(), 0..4),
        any::<(
            BTreeMap<String, u8>,
            HashMap<i16, Option<bool>>,
            BTreeMap<char, u8>,
            BTreeMap<bool, u8>,
        )>(),
        prop_oneof![
            (any::<i32>(), singles()).prop_map(|(x, y)| Tagged::Point { x, y }),
            Just(Tagged::Empty)
        ],
        any::<(i64, String, Vec<u8>)>(),
        doubles(),
    );
    (scalars, compounds).prop_map(|(scalars, compounds)| {
        let ((flag, small, long, letter, text, maybe), natural, single, double) = scalars;
        let (bytes, shared, parts, list, maps, tagged, untagged, ratio) = compounds;
        Everything {
            flag,
            small,
            long,
            natural,
            huge: long.into(),
            single,
            double,
            letter,
            text,
            bytes: ByteBuf::from(bytes),
            shared: shared.into(),
            unit: (),
            nothing: Nothing,
            newtype: Meters(parts.0),
            pair: Pair(parts.1, parts.2),
            maybe,
            list,
            by_text: maps.0,
            by_int: maps.1,
            by_letter: maps.2,
            by_bool: maps.3,
            by_variant: [(Color::Red, Meters(1)), (Color::Green, Meters(2))].into(),
            tagged,
            untagged: vec![
                Untagged::Int(untagged.0),
                Untagged::Text(untagged.1),
                Untagged::List(untagged.2),
            ],
            rest: Rest { extra: parts.3, ratio },
        }
    })
}

proptest! {
    #[test]
    fn a_value_is_itself(value in values()) {
        prop_assert_eq!(&Value::of(&value).unwrap(), &value);
        prop_assert_eq!(&value.to::<Value>().unwrap(), &value);
        prop_assert_eq!(value.clone().decode::<Value>().unwrap(), value);
    }

    #[test]
    fn a_type_comes_back_as_it_was_written(it in everything()) {
        let item = Item::of(&it).unwrap();
        prop_assert_eq!(&item.to::<Everything>().unwrap(), &it);
        prop_assert_eq!(item.decode::<Everything>().unwrap(), it);
    }

    #[test]
    fn a_value_goes_through_a_self_describing_format(
        map in collection::btree_map(any::<String>(), any::<i64>(), 0..5),
        text in any::<String>(),
    ) {
        let item = Item::new().with("text", text).with("map", Value::of(&map).unwrap());
        let json = serde_json::to_string(&item).unwrap();
        prop_assert_eq!(serde_json::from_str::<Item>(&json).unwrap(), item);
    }

    #[test]
    fn numbers_equal_as_numbers_read_alike(int in -(1_i64 << 53)..1 << 53) {
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        let float = int as f64;
        prop_assert_eq!(Value::of(&float).unwrap(), Value::of(&int).unwrap());
        prop_assert_eq!(Value::from(int).to::<f64>().unwrap().to_bits(), (float + 0.0).to_bits());
        prop_assert_eq!(Value::try_from(float).unwrap().to::<i64>().unwrap(), int);
    }
}

#[test]
fn each_shape_has_its_one_form() {
    let map = |name: &str, value: Value| Value::Map([(name.to_owned(), value)].into());
    let list = |values: &[i64]| Value::List(values.iter().map(|it| (*it).into()).collect());
    let of = |it: &dyn Fn() -> Result<Value>| it().unwrap();
    assert_eq!(of(&|| Value::of(&None::<u8>)), Value::Null);
    assert_eq!(of(&|| Value::of(&Some(1))), Value::from(1));
    assert_eq!(of(&|| Value::of(&Nothing)), Value::Null);
    assert_eq!(of(&|| Value::of(&Meters(3))), Value::from(3));
    assert_eq!(of(&|| Value::of(&(1, 2))), list(&[1, 2]));
    assert_eq!(of(&|| Value::of(&'é')), Value::from("é"));
    assert_eq!(of(&|| Value::of(b"ab".as_slice())), list(&[97, 98]));
    assert_eq!(
        of(&|| Value::of(serde_bytes::Bytes::new(b"ab"))),
        Value::Bytes(Bytes::from_static(b"ab"))
    );
    assert_eq!(of(&|| Value::of(&Kind::Unit)), Value::from("Unit"));
    assert_eq!(of(&|| Value::of(&Kind::Newtype(None))), map("Newtype", Value::Null));
    assert_eq!(
        of(&|| Value::of(&Kind::Tuple(1, "a".into()))),
        map("Tuple", Value::List(vec![1.into(), "a".into()]))
    );
    assert_eq!(of(&|| Value::of(&HashMap::from([(-7, 1)]))), map("-7", 1.into()));
    assert_eq!(of(&|| Value::of(&Timestamp::UNIX_EPOCH)), Value::from("1970-01-01T00:00:00Z"));
    assert_eq!(of(&|| Value::of(&Ipv4Addr::LOCALHOST)), Value::from("127.0.0.1"));
    assert_eq!(of(&|| Value::of(&-0.0)), Value::from(0));
}

#[test]
fn a_field_that_is_none_is_null_and_an_absent_one_reads_as_none() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Link {
        owner: Option<String>,
    }
    let item = Item::of(&Link { owner: None }).unwrap();
    assert_eq!(item, Item::new().with("owner", Value::Null));
    assert_eq!(Item::new().to::<Link>().unwrap(), Link { owner: None });
}

#[test]
fn text_and_bytes_are_borrowed() {
    #[derive(Deserialize)]
    struct Link<'a> {
        url: &'a str,
        #[serde(with = "serde_bytes")]
        icon: &'a [u8],
    }
    let icon = Bytes::from_static(b"png");
    let item = Item::new().with("url", "https://example.com").with("icon", icon.clone());
    let link: Link<'_> = item.to().unwrap();
    assert_eq!(link.url, "https://example.com");
    assert_eq!(link.icon.as_ptr(), icon.as_ptr());
}

#[test]
fn what_is_moved_is_not_copied() {
    let text = "a text that is long enough to be on the heap".to_owned();
    let at = text.as_ptr();
    let item = Item::new().with("text", text);
    let map: HashMap<String, String> = item.decode().unwrap();
    assert_eq!(map["text"].as_ptr(), at);
}

#[test]
fn what_is_not_known_is_passed_over() {
    #[derive(Deserialize)]
    struct Link {
        hits: u8,
    }
    let item = Item::new().with("hits", 3).with("later", Value::List(vec![Value::Null]));
    assert_eq!(item.to::<Link>().unwrap().hits, 3);
    item.to::<IgnoredAny>().unwrap();
}

fn message<T: fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.message().to_owned()
}

#[test]
fn an_error_in_writing_names_the_field() {
    #[derive(Serialize)]
    struct Outer {
        inner: Vec<BTreeMap<&'static str, u64>>,
    }
    let outer = Outer { inner: vec![BTreeMap::new(), [("hits", u64::MAX)].into()] };
    assert_eq!(
        message(Item::of(&outer)),
        "inner[1].hits: found a number that does not fit, wanted one that an i64 holds"
    );
    let nan = Kind::Struct { x: f64::NAN, color: Color::Red };
    assert!(message(Value::of(&nan)).starts_with("Struct.x: NaN is not a number to keep"));
    assert!(message(Value::of(&i128::MIN)).starts_with("found a number that does not fit"));
    assert_eq!(
        message(Value::of(&BTreeMap::from([(vec![1], 1)]))),
        "found a list as a map's key, wanted text, a whole number, a bool or a unit variant"
    );
    assert_eq!(message(Item::of("text")), "found text, wanted a struct or a map");
}

#[test]
fn an_error_in_reading_names_the_field_and_shows_no_value() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[expect(dead_code, reason = "it is read, and that fails")]
        kinds: Vec<Kind>,
    }
    let read = |value: Value| {
        let item = Item::new().with("kinds", vec![Value::from("Unit"), value]);
        let (lent, moved) = (message(item.to::<Strict>()), message(item.decode::<Strict>()));
        assert_eq!(lent, moved);
        assert!(!lent.contains("secret"), "{lent}");
        lent
    };
    let map = |name: &str, value: Value| Value::Map([(name.to_owned(), value)].into());
    let unknown = "found an unknown variant, wanted one of `Unit`, `Newtype`, `Tuple`, `Struct`";
    assert_eq!(read("secret".into()), format!("kinds[1]: {unknown}"));
    assert_eq!(read(map("Newtype", "secret".into())), "kinds[1].Newtype: found text, wanted i32");
    assert_eq!(
        read(map("Tuple", vec![Value::from(300), "secret".into()].into())),
        "kinds[1].Tuple[0]: found a whole number that does not fit, wanted u8"
    );
    assert_eq!(
        read(map("Tuple", vec![1.into(), "a".into(), "secret".into()].into())),
        "kinds[1].Tuple: found 3 values, wanted 2"
    );
    assert_eq!(read(map("Struct", map("x", Value::from(1)))), "kinds[1].Struct.color: absent");
    assert_eq!(
        read("Newtype".into()),
        "kinds[1].Newtype: found a variant that holds nothing, wanted a variant that holds a value"
    );
    assert_eq!(read(Value::Null), "kinds[1]: found null, wanted a variant");
    assert_eq!(
        message(Item::new().with("links", 1).to::<Strict>()),
        "links: not a field, wanted `kinds`"
    );
    assert_eq!(message(Item::new().to::<Strict>()), "kinds: absent");
    let keys = Item::new().with("secret", 1);
    assert_eq!(
        message(
            Item::new().with("by", keys.into_attributes()).to::<HashMap<String, HashMap<u8, u8>>>()
        ),
        "by.secret: found text that does not fit, wanted u8"
    );
}

#[test]
fn what_no_provider_keeps_is_refused_from_a_format_too() {
    for json in ["1e300", "18446744073709551615"] {
        serde_json::from_str::<Value>(json).unwrap_err();
        serde_json::from_str::<Number>(json).unwrap_err();
    }
    assert_eq!(serde_json::from_str::<Number>("2.0").unwrap(), Number::from(2));
}

#[test]
fn a_record_reads_with_its_key_and_a_clash_of_names_is_refused() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Owned {
        app: String,
        number: i64,
        log: Bytes,
    }
    let key = Key::sorted("web", 7);
    let item = Item::new().with("log", Bytes::from_static(b"ok"));
    let (app, number) = (Attr::text("app"), Attr::int("number"));
    let record = Record::new(key, item, Version::new("v"));
    let read: Owned = record.clone().decode(&app, Some(&number)).unwrap();
    assert_eq!(read, Owned { app: "web".into(), number: 7, log: Bytes::from_static(b"ok") });
    let mut clash = record;
    clash.item = clash.item.with("app", "other");
    assert_eq!(message(clash.decode::<Owned>(&app, Some(&number))), "app: there twice");
}
