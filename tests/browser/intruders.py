"""How a text that became part of a page is noticed: by what the page has, and by what it does."""

from playwright.sync_api import Dialog, Page, Request, expect

from tests.browser.pages import Complaints

# A payload that runs says so in the console, where `Complaints` listens.
INIT = "window.berthXss = () => console.error('berthXss was called');"

# All that our templates are made of, and a description in Markdown. A payload's element is either
# none of these, or has an attribute by which it is known.
SCAN = r"""(() => {
  const html = new Set(`html head meta title link script body a header nav img form input button
    span div main footer p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table caption thead tbody tr th td
    code pre small strong b em s hr br blockquote details summary fieldset legend label select
    option datalist textarea time section abbr del mark progress noscript`.split(/\s+/));
  const svg = new Set("svg rect circle line text polygon polyline title desc".split(" "));
  const htmx = new Set(`hx-get hx-post hx-trigger hx-target hx-select hx-swap hx-push-url
    hx-replace-url hx-sync hx-include`.split(/\s+/));
  const addresses = new Set(`href src action formaction xlink:href data poster background cite
    manifest ping srcset`.split(/\s+/));
  const plainly = new Set("b em s".split(" "));
  const marked = (text) => /berth-?xss|elsewhere/i.test(text);

  function address(node, name, value, origin) {
    let url;
    try { url = new URL(value, origin); } catch { return "address"; }
    const follows = node.localName === "a" && name === "href";
    const isPicture = node.localName === "img" && /^data:image/.test(value);
    if (url.protocol === "data:") return isPicture ? "" : "data";
    if (follows && url.protocol === "mailto:") return "";
    if (!/^https?:$/.test(url.protocol)) return "scheme";
    // Only what people have written in Markdown leads elsewhere when it is clicked, and in Django's
    // admin the issuers of tokens.
    const leads = follows && node.closest(".prose, .field-issuer");
    if (url.origin !== origin) return leads ? "" : "foreign";
    return marked(url.pathname) ? "path" : "";
  }

  function attribute(node, name, value, origin) {
    if (name.startsWith("on") || /^[@:]|^(x|v|ng)-/.test(name)) return "handler";
    if (name === "style" || name === "srcdoc") return name;
    if (name.startsWith("hx-") && !htmx.has(name)) return "htmx";
    if (name.startsWith("data-hx")) return "htmx";
    if (/^(hx-|data-copy$|data-theme|id$|class$|name$|for$|form$)/.test(name) &&
        marked(value.replace(/\?.*/s, ""))) return "marked";
    return addresses.has(name) ? address(node, name, value, origin) : "";
  }

  return (root, origin, more = []) => {
    const found = [];
    const known = { html: new Set([...html, ...more]), svg: new Set([...svg, ...more]) };
    for (const node of root.querySelectorAll("*")) {
      const inSvg = node.namespaceURI.endsWith("/svg");
      const say = (what) => found.push(`${what}: ${node.outerHTML.slice(0, 200)}`);
      if (!known[inSvg ? "svg" : "html"].has(node.localName)) say("element");
      const isOurs = node.hasAttribute("src") && !node.textContent;
      if (node.localName === "script" && !isOurs) say("script");
      if (plainly.has(node.localName) && node.attributes.length) say("attributes");
      if (node.matches("svg:not([class])") && !node.parentElement.closest("svg")) say("svg");
      if (node.localName === "meta" && node.httpEquiv && node.content !== "2") say("meta");
      for (const { name, value } of node.attributes) {
        const what = attribute(node, name.toLowerCase(), value, origin);
        if (what) say(`${what} (${name})`);
      }
    }
    const comments = document.createTreeWalker(root, NodeFilter.SHOW_COMMENT);
    while (comments.nextNode()) {
      const { data } = comments.currentNode;
      if (marked(data)) found.push(`comment: ${data.slice(0, 200)}`);
    }
    return found;
  };
})()"""
# What a page shows: its texts, and those of its attributes.
SHOWN = """() => {
  const texts = [document.documentElement.textContent];
  for (const node of document.querySelectorAll("*"))
    for (const { value } of node.attributes) texts.push(value);
  return texts.join("\\n");
}"""
# Of Django's own admin pages.
ADMIN = ("use", "symbol", "path", "aside", "hgroup", "search")


def settled(page: Page) -> None:
    """Wait until what scripts fetch into the page has come."""
    expect(page.locator("[hx-trigger^=load]")).to_have_count(0)


def plain(text: str) -> str:
    """Without regard to white space, which some fields fold."""
    return " ".join(text.split())


class Guard:
    """Watches a page from before it is opened; `intruders()` is what has come in since."""

    def __init__(self, page: Page, origin: str) -> None:
        self._page = page
        self._origin = origin
        self._did: list[str] = []
        page.add_init_script(INIT)
        self._complaints = Complaints(page, origin)
        page.on("dialog", self._opened)
        page.on("request", self._asked)

    def _opened(self, dialog: Dialog) -> None:
        self._did.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, request: Request) -> None:
        is_opened = request.resource_type == "document" and request.frame == self._page.main_frame
        if "berth-xss" in request.url.partition("?")[0] and not is_opened:
            self._did.append(f"asked for {request.url}")

    def clear(self) -> None:
        self._did.clear()
        self._complaints.texts.clear()

    def intruders(self, *more: str) -> list[str]:
        """What is in the page, and what it did, that none of ours has or does."""
        found: list[str] = self._page.evaluate(
            f"([origin, more]) => ({SCAN})(document, origin, more)", [self._origin, list(more)]
        )
        return found + self._did + self._complaints.texts
