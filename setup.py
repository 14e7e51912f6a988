"""Packaging of dicebeam: one import name for the folders of the checkout, and one console script.

The checkout itself is the package `dicebeam`: `components/gate` is `dicebeam.components.gate`. A wheel with top-level
names such as `components` would break in projects that have a folder of that name.

Why each dependency is here:

tensorflow, apache-beam, tensorflow-transform, tfrecord-lite, pyarrow
    the stack dicebeam is made for: the model and the Dice sums, the pipeline, transform
    graphs, the tf.Example decoder, the tables.
tfx-bsl, tensorflow-metadata
    what tensorflow-transform itself reads schemas with, without its import of Keras 2.
google-crc32c   checks TFRecord checksums in C; Beam's gcp extra brings it as well.
numpy           arrays between the decoder, the model and the tables.
pillow          reads the palette *indexes* of a PNG mask, which TensorFlow cannot.
pydantic        validates the config; its messages say what was expected and what came.
pyyaml          reads the config, safely.
typer, rich     the command line, the progress bar and the tables on it.
scipy           quantiles of Student's t, for intervals of few samples.
duckdb          SQL over the Parquet tables (`dicebeam query`); before 2.0 a SELECT can write files.
jinja2          the HTML report: templates that escape everything by default.

The lower bounds are the lowest versions with which the tests of `make test-lowest` pass, so that dicebeam installs
beside other packages: TFX 1.21 keeps pyarrow below 19.

And of the extras, beside what checks style and types and runs tests:

build, twine    make the sdist and the wheel of a release, and check what an index would show of them (`make dist`).
playwright      drives Chromium, where that is installed, through the report as a reader would.
pandas, polars  read the tables as the docs say one can; pandas checks what SQL gives.
junitparser     reads the verdict's JUnit file as CI services do.
cmarkgfm        GitHub's own Markdown renderer, for the verdict's page.
check-jsonschema, kubernetes-validate, croniter
    the schemas and the parser that the files of deploy/ are held to.
sqlglot         parses BigQuery's SQL, and translates it, so that DuckDB can run it.
boto3           (aws, by Beam's extra of that name) s3:// paths; in dev as well, for the tests of them.
moto            an S3 server on loopback, which the tests of s3:// talk to.
gcp-storage-emulator  the same for gs://.
mkdocs, mkdocs-material, mkdocstrings
                (docs) the documentation site; pdoc would make the API reference alone. mkdocstrings reads docstrings
                without importing TensorFlow, and the theme's search needs no server beyond one of files.
py-spy          where the threads of a worker are, which a test of an engine prints when it waits in vain.
pyspark         (engines) the Spark snippet of the docs; 400 MB and a JVM, so in an extra of its own.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOMS = ["schemas", "schemas.*", "components", "components.*", "pipeline", "pipeline.*"]
KEYWORDS = """
apache-beam dice evaluation image-segmentation metrics model-validation parquet segmentation semantic-segmentation
tensorflow tfrecord tfx
"""


class BuildPackage(build_py):
    """Build the package without setup.py, and whatever else lies in the folder that is `dicebeam`."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """The modules of a package, as setuptools finds them; of the checkout itself, the two that belong to it."""
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if package != "dicebeam" or module[1] in {"__init__", "__main__"}]


setup(
    name="dicebeam",
    version="0.2.0",
    description="Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=KEYWORDS.split(),
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    cmdclass={"build_py": BuildPackage},
    package_dir={"dicebeam": "."},
    packages=["dicebeam", *(f"dicebeam.{room}" for room in find_packages(include=ROOMS))],
    package_data={
        "dicebeam": ["py.typed"],
        "dicebeam.schemas": ["*.sql"],
        "dicebeam.components.report": ["templates/*"],
    },
    python_requires=">=3.11,<3.14",
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "apache-beam[gcp]>=2.77,<2.78",
        "tensorflow-transform>=1.21,<1.22",
        "tfx-bsl>=1.21,<1.22",
        "tensorflow-metadata>=1.21,<1.22",
        "tfrecord-lite==0.0.8",
        "pyarrow>=18,<26",
        "google-crc32c>=1.6,<2",
        "numpy>=2.0.1,<2.5",
        "pillow>=12.1.1,<13",
        "pydantic>=2.11,<3",
        "pyyaml>=6,<7",
        "typer>=0.16,<0.30",
        "rich>=13.7,<16",
        "scipy>=1.13,<2",
        "duckdb>=2,<3",
        "jinja2>=3.1,<4",
    ],
    extras_require={
        "aws": ["apache-beam[aws]>=2.77,<2.78"],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.8,<10", "mkdocstrings[python]>=1,<2"],
        "engines": ["pyspark>=4,<5"],
        "dev": [
            "apache-beam[aws]>=2.77,<2.78",
            "boto3>=1.44,<2",
            "build>=1.6,<2",
            "check-jsonschema>=0.39,<0.40",
            "cmarkgfm>=2025.10",
            "croniter>=7,<8",
            "gcp-storage-emulator>=2026.7.19",
            "hypothesis>=6.170,<7",
            "junitparser>=5,<6",
            "kubernetes-validate>=1.37,<2",
            "moto[server]>=5.2,<6",
            "mypy>=2.4,<3",
            "pandas>=3,<4",
            "pandas-stubs>=2",
            "playwright>=1.60,<2",
            "polars>=2,<3",
            "py-spy>=0.4,<0.5",
            "pytest>=9,<10",
            "pytest-timeout>=2.4,<3",
            "pytest-xdist>=3.8,<4",
            "ruff>=0.17,<0.18",
            "scikit-learn>=1.9,<2",
            "sqlglot>=30,<31",
            "twine>=6.1,<8",
            "types-protobuf>=6",
            "types-pyyaml>=6",
        ],
    },
    entry_points={"console_scripts": ["dicebeam = dicebeam.pipeline.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
