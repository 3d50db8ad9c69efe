"""Who may change how the site works."""

from typing import Final

# Lets somebody see how the site's own work goes, start it by hand, and change the site's settings.
ADMINISTER_SITE: Final = "administer site"
