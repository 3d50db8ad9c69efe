"""What the web tier and the workers share: the domain, the tap dispatcher and the plugin sandbox."""
