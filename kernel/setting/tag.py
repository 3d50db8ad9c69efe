"""The cache tags of settings."""


def setting_tag(name: str) -> str:
    """The cache tag of whatever was made from the variable; plugins that read it have the same."""
    return f"variable:{name}"
