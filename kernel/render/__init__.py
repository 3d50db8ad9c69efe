"""How content is shown: render trees, text formats, templates and themes; the only door to jinja2 and nh3."""
