"""The cache tags of what plugins keep."""


def name_table_tag(plugin: str, table: str) -> str:
    """The cache tag of whatever was made from rows of the table."""
    return f"table:{plugin}.{table}"


def name_variable_tag(name: str) -> str:
    """The cache tag of whatever was made from the variable."""
    return f"variable:{name}"
