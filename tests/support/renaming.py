"""Changes of the settings of an installation that has orders: accounts get other names, routes other references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

    from worker.settings.load import Settings

#: The references of routes: each contains what distinguishes two orders.
TEMPLATES: Final = ("{provider}:{external_id}", "o-{provider}-{external_id}", "{external_id}@{provider}")


def rename(settings: Settings, rng: random.Random) -> tuple[Settings, str]:
    """Give one account another name, which the settings note as `formerly`; return the settings and what changed."""
    role = rng.choice(["providers", "targets"])
    accounts = dict(getattr(settings, role))
    old = rng.choice(sorted(accounts))
    account = accounts.pop(old)
    formerly = (*account.formerly, old)
    new = f"{formerly[0]}-{len(formerly)}"
    accounts[new] = account.model_copy(update={"name": new, "formerly": formerly})
    routes = tuple(
        route.model_copy(
            update={
                "source": new if (role, route.source) == ("providers", old) else route.source,
                "targets": tuple(new if (role, name) == ("targets", old) else name for name in route.targets),
            }
        )
        for route in settings.routes
    )
    return settings.model_copy(update={role: accounts, "routes": routes}), f"{old} is called {new}"


def change_template(settings: Settings, rng: random.Random) -> tuple[Settings, str]:
    """Give one route another reference, and note the former one; return the settings and what changed."""
    number = rng.randrange(len(settings.routes))
    route = settings.routes[number]
    reference = rng.choice([template for template in TEMPLATES if template != route.reference])
    formerly = tuple(dict.fromkeys((*route.formerly, route.reference)))
    changed = route.model_copy(update={"reference": reference, "formerly": formerly})
    routes = (*settings.routes[:number], changed, *settings.routes[number + 1 :])
    return settings.model_copy(update={"routes": routes}), f"references of {route.source} are {reference}"
