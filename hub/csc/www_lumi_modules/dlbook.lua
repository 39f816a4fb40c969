-- Jupyter
-- ORG (where the course is published) and project_2000000 (your project) stand for yours; replace both.
depends_on("pytorch")
setenv("_COURSE_BASE_NAME", "dlbook")
setenv("_COURSE_NOTEBOOK", "dlbook/book/digits.ipynb")
setenv("_COURSE_GIT_REPO", "https://github.com/ORG/dlbook.git")
setenv("_COURSE_GIT_REF", "main")
setenv("_COURSE_NOTEBOOK_TYPE", "lab")
-- Read-only for students: /projappl belongs to the teacher's project.
setenv("DLBOOK_MIRROR", "/projappl/project_2000000/dlbook-data")
-- The packages that the module lacks, Keras and TensorFlow among them; hub/README.md says how they get there.
setenv("PYTHONUSERBASE", "/projappl/project_2000000/dlbook-packages")
setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
