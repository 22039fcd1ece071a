//! Whether a value fits a schema.

use serde_json::{Number, Value};

use super::{MOST_MISFITS, Misfit, ordered, pattern, pointer};

/// How many schemas are held against parts of one value before that is given up. A schema can be written that would take
/// longer than the world lasts.
const WORK: u32 = 50_000;
/// How deep schemas within schemas are followed.
const DEPTH: u32 = 256;
/// So many characters of a value are told.
const SHOWN: usize = 60;

/// Holds a value against a schema whose form is sound.
pub(super) fn check(root: &Value, value: &Value) -> Result<(), Vec<Misfit>> {
    let mut check = Check { root, left: WORK };
    let mut misfits = Vec::new();
    check.schema(root, value, "", DEPTH, &mut misfits);
    if check.left == 0 {
        misfits = vec![Misfit {
            path: "value".to_owned(),
            expected: "a value that can be held against the schema in reasonable time".to_owned(),
            got: "one that cannot; the schema has too many alternatives within alternatives".to_owned(),
        }];
    }
    misfits.truncate(MOST_MISFITS);
    match misfits.is_empty() {
        true => Ok(()),
        false => Err(misfits),
    }
}

/// A number that counts something.
pub(super) fn count(number: &Number) -> Option<u64> {
    let whole =
        |number: f64| (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then_some(number as u64);
    number.as_u64().or_else(|| number.as_f64().and_then(whole))
}

struct Check<'a> {
    root: &'a Value,
    left: u32,
}

impl<'a> Check<'a> {
    /// Whether a part fits, without telling why not.
    fn fits(&mut self, schema: &'a Value, value: &Value, depth: u32) -> bool {
        let mut misfits = Vec::new();
        self.schema(schema, value, "", depth, &mut misfits);
        misfits.is_empty()
    }

    fn schema(&mut self, schema: &'a Value, value: &Value, path: &str, depth: u32, out: &mut Vec<Misfit>) {
        if out.len() >= MOST_MISFITS || self.left == 0 {
            return;
        }
        self.left -= 1;
        let Some(depth) = depth.checked_sub(1) else {
            out.push(misfit(path, "what is nested less deeply", value));
            return;
        };
        let Some(keywords) = schema.as_object() else {
            if *schema == Value::Bool(false) {
                out.push(misfit(path, "nothing", value));
            }
            return;
        };
        let get = |keyword: &str| keywords.get(keyword);
        if let Some(to) = get("$ref").and_then(Value::as_str).and_then(pointer)
            && let Some(target) = self.root.pointer(&to)
        {
            self.schema(target, value, path, depth, out);
        }
        if let Some(types) = get("type")
            && !is_of(types, value)
        {
            // What else is said of the value means something else.
            out.push(misfit(path, type_names(types), value));
            return;
        }
        if let Some(Value::Array(allowed)) = get("enum")
            && !allowed.iter().any(|one| same(one, value))
        {
            let names: Vec<String> = allowed
                .iter()
                .take(16)
                .map(|one| shortened(&one.to_string()))
                .collect();
            out.push(misfit(path, format!("one of {}", names.join(", ")), value));
        }
        if let Some(only) = get("const")
            && !same(only, value)
        {
            out.push(misfit(path, shortened(&only.to_string()), value));
        }
        match value {
            Value::Number(number) => of_number(keywords, number, path, value, out),
            Value::String(text) => of_text(keywords, text, path, value, out),
            Value::Array(items) => self.items(keywords, items, path, value, depth, out),
            Value::Object(members) => self.members(keywords, members, path, value, depth, out),
            Value::Null | Value::Bool(_) => {}
        }
        self.parts(keywords, value, path, depth, out);
    }

    fn parts(
        &mut self,
        keywords: &'a serde_json::Map<String, Value>,
        value: &Value,
        path: &str,
        depth: u32,
        out: &mut Vec<Misfit>,
    ) {
        let list = |keyword: &str| keywords.get(keyword).and_then(Value::as_array);
        for part in list("allOf").into_iter().flatten() {
            self.schema(part, value, path, depth, out);
        }
        if let Some(parts) = list("anyOf") {
            self.any(parts, value, path, depth, out);
        }
        if let Some(parts) = list("oneOf") {
            let fitting = parts.iter().filter(|part| self.fits(part, value, depth)).count();
            match fitting {
                0 => self.any(parts, value, path, depth, out),
                1 => {}
                _ => out.push(misfit(
                    path,
                    format!("what fits exactly one of the {} forms of `oneOf`", parts.len()),
                    value,
                )),
            }
        }
        if let Some(not) = keywords.get("not")
            && self.fits(not, value, depth)
        {
            out.push(misfit(path, "what the schema does not exclude with `not`", value));
        }
        if let Some(condition) = keywords.get("if") {
            let branch = match self.fits(condition, value, depth) {
                true => "then",
                false => "else",
            };
            if let Some(branch) = keywords.get(branch) {
                self.schema(branch, value, path, depth, out);
            }
        }
    }

    /// At least one of the parts must fit. Where none does, what is wrong with the nearest is told: the one in which the
    /// first fault lies deepest.
    fn any(&mut self, parts: &'a [Value], value: &Value, path: &str, depth: u32, out: &mut Vec<Misfit>) {
        let here = shown(path);
        let depth_of = |misfits: &[Misfit]| match misfits.first() {
            Some(first) if first.path != here => 1 + first.path.matches(['.', '[']).count(),
            _ => 0,
        };
        let mut nearest: Vec<Misfit> = Vec::new();
        for part in parts {
            let mut misfits = Vec::new();
            self.schema(part, value, path, depth, &mut misfits);
            if misfits.is_empty() {
                return;
            }
            if nearest.is_empty() || depth_of(&nearest) < depth_of(&misfits) {
                nearest = misfits;
            }
        }
        match nearest {
            misfits if parts.len() == 1 || depth_of(&misfits) > 0 => out.extend(misfits),
            _ => {
                let types: Vec<String> = parts
                    .iter()
                    .filter_map(|part| part.get("type"))
                    .map(type_names)
                    .collect();
                let expected = match types.len() == parts.len() {
                    true => types.join(" or "),
                    false => format!("one of the {} forms that the schema has for it", parts.len()),
                };
                out.push(misfit(path, expected, value));
            }
        }
    }

    fn items(
        &mut self,
        keywords: &'a serde_json::Map<String, Value>,
        items: &[Value],
        path: &str,
        value: &Value,
        depth: u32,
        out: &mut Vec<Misfit>,
    ) {
        let get = |keyword: &str| keywords.get(keyword);
        let number = |keyword: &str| get(keyword).and_then(Value::as_number).and_then(count);
        let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if let Some(least) = number("minItems").filter(|least| length < *least) {
            out.push(misfit(path, format!("a list of at least {least} items"), value));
        }
        if let Some(most) = number("maxItems").filter(|most| length > *most) {
            out.push(misfit(path, format!("a list of at most {most} items"), value));
        }
        if get("uniqueItems") == Some(&Value::Bool(true)) && self.repeats(items) {
            out.push(misfit(path, "a list of different items", value));
        }
        let prefix: &'a [Value] = get("prefixItems")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice);
        let rest = get("items");
        for (place, item) in items.iter().enumerate() {
            if let Some(schema) = prefix.get(place).or(rest) {
                self.schema(schema, item, &format!("{path}[{place}]"), depth, out);
            }
        }
        if let Some(contains) = get("contains") {
            let found = items
                .iter()
                .filter(|item| self.fits(contains, item, depth))
                .count();
            let found = u64::try_from(found).unwrap_or(u64::MAX);
            let least = number("minContains").unwrap_or(1);
            if found < least || number("maxContains").is_some_and(|most| found > most) {
                let most = number("maxContains").map_or(String::new(), |most| format!(" and at most {most}"));
                let expected = format!("a list with at least {least}{most} items as `contains` says");
                out.push(misfit(path, expected, value));
            }
        }
    }

    fn repeats(&mut self, items: &[Value]) -> bool {
        for (place, item) in items.iter().enumerate() {
            let work = u32::try_from(place / 16 + 1).unwrap_or(u32::MAX);
            self.left = self.left.saturating_sub(work);
            if self.left == 0 || items.iter().take(place).any(|before| same(before, item)) {
                return true;
            }
        }
        false
    }

    fn members(
        &mut self,
        keywords: &'a serde_json::Map<String, Value>,
        members: &serde_json::Map<String, Value>,
        path: &str,
        value: &Value,
        depth: u32,
        out: &mut Vec<Misfit>,
    ) {
        let get = |keyword: &str| keywords.get(keyword);
        let number = |keyword: &str| get(keyword).and_then(Value::as_number).and_then(count);
        let of = |keyword: &str| get(keyword).and_then(Value::as_object);
        let inner = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let missing = |names: &'a Value, out: &mut Vec<Misfit>| {
            for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !members.contains_key(name) {
                    let schema = of("properties").and_then(|properties| properties.get(name));
                    let types = schema.and_then(|schema| schema.get("type")).map(type_names);
                    out.push(Misfit {
                        path: inner(name),
                        expected: types.unwrap_or_else(|| "a value".to_owned()),
                        got: "nothing".to_owned(),
                    });
                }
            }
        };
        if let Some(names) = get("required") {
            missing(names, out);
        }
        for (trigger, names) in of("dependentRequired").into_iter().flat_map(ordered) {
            if members.contains_key(trigger) {
                missing(names, out);
            }
        }
        for (trigger, schema) in of("dependentSchemas").into_iter().flat_map(ordered) {
            if members.contains_key(trigger) {
                self.schema(schema, value, path, depth, out);
            }
        }
        let length = u64::try_from(members.len()).unwrap_or(u64::MAX);
        if let Some(least) = number("minProperties").filter(|least| length < *least) {
            out.push(misfit(
                path,
                format!("an object of at least {least} members"),
                value,
            ));
        }
        if let Some(most) = number("maxProperties").filter(|most| length > *most) {
            out.push(misfit(
                path,
                format!("an object of at most {most} members"),
                value,
            ));
        }
        let matched: Vec<_> = of("patternProperties")
            .into_iter()
            .flat_map(ordered)
            .filter_map(|(text, schema)| pattern(text).ok().map(|pattern| (pattern, schema)))
            .collect();
        for (name, member) in ordered(members) {
            let here = inner(name);
            if let Some(names) = get("propertyNames") {
                let name = Value::String(name.clone());
                self.schema(names, &name, &here, depth, out);
            }
            let mut known = false;
            if let Some(schema) = of("properties").and_then(|properties| properties.get(name)) {
                known = true;
                self.schema(schema, member, &here, depth, out);
            }
            for (_, schema) in matched.iter().filter(|(pattern, _)| pattern.is_match(name)) {
                known = true;
                self.schema(schema, member, &here, depth, out);
            }
            match get("additionalProperties").filter(|_| !known) {
                Some(Value::Bool(false)) => {
                    let names = of("properties")
                        .into_iter()
                        .flat_map(ordered)
                        .map(|(name, _)| name.as_str());
                    let names: Vec<&str> = names.take(16).collect();
                    let expected = match names.is_empty() {
                        true => "no member of this name".to_owned(),
                        false => format!("no member but {}", names.join(", ")),
                    };
                    out.push(misfit(&here, expected, member));
                }
                Some(schema) => self.schema(schema, member, &here, depth, out),
                None => {}
            }
        }
    }
}

fn of_number(
    keywords: &serde_json::Map<String, Value>,
    number: &Number,
    path: &str,
    value: &Value,
    out: &mut Vec<Misfit>,
) {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let bounds: [(&str, &[std::cmp::Ordering], &str); 4] = [
        ("minimum", &[Greater, Equal], "a number from"),
        ("exclusiveMinimum", &[Greater], "a number above"),
        ("maximum", &[Less, Equal], "a number up to"),
        ("exclusiveMaximum", &[Less], "a number below"),
    ];
    for (keyword, allowed, words) in bounds {
        if let Some(Value::Number(bound)) = keywords.get(keyword)
            && !compare(number, bound).is_some_and(|order| allowed.contains(&order))
        {
            out.push(misfit(path, format!("{words} {bound}"), value));
        }
    }
    if let Some(Value::Number(step)) = keywords.get("multipleOf")
        && !is_multiple(number, step)
    {
        out.push(misfit(path, format!("a multiple of {step}"), value));
    }
}

fn of_text(
    keywords: &serde_json::Map<String, Value>,
    text: &str,
    path: &str,
    value: &Value,
    out: &mut Vec<Misfit>,
) {
    let number = |keyword: &str| keywords.get(keyword).and_then(Value::as_number).and_then(count);
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(least) = number("minLength").filter(|least| length < *least) {
        out.push(misfit(
            path,
            format!("a string of at least {least} characters"),
            value,
        ));
    }
    if let Some(most) = number("maxLength").filter(|most| length > *most) {
        out.push(misfit(
            path,
            format!("a string of at most {most} characters"),
            value,
        ));
    }
    if let Some(Value::String(expression)) = keywords.get("pattern")
        && !pattern(expression).is_ok_and(|pattern| pattern.is_match(text))
    {
        out.push(misfit(
            path,
            format!("a string that matches {}", shortened(expression)),
            value,
        ));
    }
}

fn misfit(path: &str, expected: impl Into<String>, got: &Value) -> Misfit {
    Misfit {
        path: shown(path),
        expected: expected.into(),
        got: described(got),
    }
}

fn shown(path: &str) -> String {
    match path {
        "" => "value".to_owned(),
        path => path.to_owned(),
    }
}

/// Two values are the same by the draft: whole numbers in whatever form they are written, members in whatever order.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            compare(left, right) == Some(std::cmp::Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let has = |(name, value)| right.get::<String>(name).is_some_and(|other| same(value, other));
            left.len() == right.len() && left.iter().all(has)
        }
        _ => left == right,
    }
}

fn whole(number: &Number) -> Option<i128> {
    let int = number
        .as_i64()
        .map(i128::from)
        .or(number.as_u64().map(i128::from));
    let float = || {
        number
            .as_f64()
            .filter(|value| value.fract() == 0.0 && value.abs() < 1e18)
    };
    int.or_else(|| float().map(|value| value as i128))
}

fn compare(left: &Number, right: &Number) -> Option<std::cmp::Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn is_multiple(number: &Number, step: &Number) -> bool {
    if let (Some(number), Some(step)) = (whole(number), whole(step)) {
        return step != 0 && number % step == 0;
    }
    // 0.3 is three times 0.1, though not in the arithmetic of machines.
    match (number.as_f64(), step.as_f64()) {
        (Some(number), Some(step)) => {
            let times = number / step;
            times.is_finite() && (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
        }
        _ => false,
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let fits = |name: &str| match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => {
            whole(number).is_some() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
        }
        _ => false,
    };
    match types {
        Value::String(name) => fits(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}

fn type_names(types: &Value) -> String {
    let name = |name: &str| match name {
        "null" => "null".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        name => format!("a {name}"),
    };
    match types {
        Value::String(one) => name(one),
        Value::Array(many) => {
            let names: Vec<String> = many.iter().filter_map(Value::as_str).map(name).collect();
            names.join(" or ")
        }
        _ => "a value".to_owned(),
    }
}

/// A value in words: its type, and itself where it is short.
fn described(value: &Value) -> String {
    let kind = match value {
        Value::Null => return "null".to_owned(),
        Value::Bool(value) => return value.to_string(),
        Value::Number(_) => "the number",
        Value::String(_) => "the string",
        Value::Array(_) => "the list",
        Value::Object(_) => "the object",
    };
    format!("{kind} {}", shortened(&value.to_string()))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
