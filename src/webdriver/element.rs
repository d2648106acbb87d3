//! Elements of a page, and locators to find them.

use serde_json::{Value, json};

/// The key that marks a reference to an element, defined by the standard.
const REFERENCE: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A reference to an element of the loaded page. When the page has changed, a command with an old reference
/// fails with `stale element reference`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element(String);

impl Element {
    /// Returns the id that the driver has assigned.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// Returns the element that a response refers to.
    pub(super) fn from_answer(value: &Value) -> Option<Self> {
        value.get(REFERENCE)?.as_str().map(|id| Self(id.to_owned()))
    }
}

/// Converts the reference for use as an argument of a script.
impl From<&Element> for Value {
    fn from(element: &Element) -> Self {
        json!({ REFERENCE: element.0 })
    }
}

/// A description of an element to find. A plain text is a CSS selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Locator {
    /// A CSS selector, such as `#login button`.
    Css(String),
    /// A link with this text, without surrounding white space.
    LinkText(String),
    /// A link whose text contains this.
    PartialLinkText(String),
    /// An element with this tag.
    TagName(String),
    /// An XPath expression, such as `//button[text()="Log in"]`.
    XPath(String),
}

impl From<&str> for Locator {
    fn from(selector: &str) -> Self {
        Self::Css(selector.to_owned())
    }
}

impl From<&Locator> for Value {
    fn from(locator: &Locator) -> Self {
        let (using, value) = match locator {
            Locator::Css(value) => ("css selector", value),
            Locator::LinkText(value) => ("link text", value),
            Locator::PartialLinkText(value) => ("partial link text", value),
            Locator::TagName(value) => ("tag name", value),
            Locator::XPath(value) => ("xpath", value),
        };
        json!({ "using": using, "value": value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_reference_round_trips() {
        let answer = json!({ "element-6066-11e4-a52e-4f735466cecf": "f.1" });
        let element = Element::from_answer(&answer).unwrap();
        assert_eq!((element.id(), Value::from(&element)), ("f.1", answer));
        assert_eq!(Element::from_answer(&json!({ "ELEMENT": "an old protocol" })), None);
        assert_eq!(Element::from_answer(&json!(null)), None);
    }

    #[test]
    fn each_locator_has_its_strategy() {
        let spell = |locator: Locator| {
            let value = Value::from(&locator);
            format!("{}={}", value["using"].as_str().unwrap(), value["value"].as_str().unwrap())
        };
        assert_eq!(spell("h1".into()), "css selector=h1");
        assert_eq!(spell(Locator::LinkText("next".into())), "link text=next");
        assert_eq!(spell(Locator::PartialLinkText("nex".into())), "partial link text=nex");
        assert_eq!(spell(Locator::TagName("a".into())), "tag name=a");
        assert_eq!(spell(Locator::XPath("//a".into())), "xpath=//a");
    }
}
