"""Installing, enabling, disabling and removing plugins while the site runs."""
