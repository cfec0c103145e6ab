"""${message}"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision).replace("'", '"')}
down_revision = ${repr(down_revision).replace("'", '"')}
# True where the code of the revision before can work beside it: docs/scaling.md, "Upgrades".
is_additive = False


def upgrade() -> None:
    """${message}"""
    ${upgrades if upgrades else "pass"}
