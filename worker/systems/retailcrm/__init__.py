"""RetailCRM as a provider, a target and a sender of webhooks."""
