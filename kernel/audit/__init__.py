"""Who changed what on this site, and who came in: written with each change, read by administrators."""
